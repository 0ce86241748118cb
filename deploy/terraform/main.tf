# Everything around the service. Cloud Build deploys the service's image, see
# cloudbuild.yaml; everything else is here.

locals {
  service    = "${var.name}-collector"
  bucket     = coalesce(var.bucket, "${var.project}-${var.name}")
  database   = coalesce(var.firestore_database, var.name)
  collection = "duo-telephony-collector"

  # Every log that Duo has, with SecOps' type for it.
  log_types = {
    activity       = "DUO_ACTIVITY"
    authentication = "DUO_AUTH"
    telephony      = "DUO_TELEPHONY"
    trust-monitor  = "DUO_TRUST_MONITOR"
  }
  logs    = contains(var.logs, "all") ? keys(local.log_types) : sort(var.logs)
  folders = { for log in local.logs : log => replace(var.gcs_prefix, "{log}", log) }

  # The one of the service's two addresses that is known before it exists. It is
  # the audience too, so that Cloud Run's own check accepts the same id tokens.
  url      = "https://${local.service}-${data.google_project.this.number}.${var.region}.run.app"
  audience = local.url

  # The status page on the laptop of one of operators, at an address that an
  # alert's link can know.
  page_address = "127.0.0.1:8081"
  page         = "go run ./cmd/server page -addr=${local.page_address} -url=${local.url} -account=${google_service_account.invoker.email}"

  # Pub/Sub waits so long for an answer, and so does Cloud Run. It is the most
  # that Pub/Sub takes.
  timeout_seconds = 600
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "this" {
  for_each = toset(concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudscheduler.googleapis.com",
    "containeranalysis.googleapis.com", # holds the images' provenance
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
  ], var.static_egress ? ["compute.googleapis.com"] : []))

  project = var.project
  service = each.value
  # Something else in the project may use it.
  disable_on_destroy = false
}
