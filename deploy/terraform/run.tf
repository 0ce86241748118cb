locals {
  # Google's sample answers 200 to whatever it gets: no push may reach it.
  sample = "us-docker.pkg.dev/cloudrun/container/hello"
  built  = google_cloud_run_v2_service.this.template[0].containers[0].image != local.sample

  # In cloudrun-iam Cloud Run lets these through. In verify nobody needs a role.
  invokers = { for key, member in merge({
    push    = google_service_account.push.member
    invoker = google_service_account.invoker.member
    build   = google_service_account.build.member # its smoke request
  }, { for c in var.callers : c => "serviceAccount:${c}" }) : key => member if var.auth_mode == "cloudrun-iam" && (local.built || key != "push") }

  callers = concat([google_service_account.push.email, google_service_account.invoker.email], sort(var.callers))

  # The streams that an instance may have in hand: of one account one a log, of many
  # CONCURRENCY in each request, of which a person makes one more than a tick.
  streams_in_hand = var.accounts == "own" ? length(local.logs) : try(tonumber(var.settings.CONCURRENCY), 8) * min(var.workers + 1, local.requests)

  # One that is behind takes 26 MiB, with pages of 1000 authentications of 3 kB
  # (BenchmarkBehindMemory in internal/bench/README.md), and some are larger. A core
  # can have 4 GiB.
  needed_mib = 64 + 32 * local.streams_in_hand
  memory_mib = concat([for mib in [256, 512, 1024, 2048] : mib if mib >= local.needed_mib], [4096])[0]

  # that an instance takes at once
  requests = 8

  # An accounts file has keys and hosts of its own.
  application = var.accounts == "file" ? {} : { DUO_IKEY = var.duo_ikey, DUO_API_HOST = var.duo_api_host }
  children    = var.accounts == "children" ? { DUO_ACCOUNTS = "children" } : {}

  # The default is a path in the repository, which no page can link to.
  runbook = can(regex("^https?:", var.runbook_url)) ? { RUNBOOK_URL = var.runbook_url } : {}

  environment = merge(var.settings, local.application, local.children, local.secret_files, local.runbook, {
    DUO_LOGS   = join(",", local.logs)
    GCS_BUCKET = google_storage_bucket.objects.name
    # With one log there is no {log} left: an image older than DUO_LOGS would take
    # it for a folder's name.
    GCS_PREFIX           = length(local.logs) == 1 ? local.folders[local.logs[0]] : var.gcs_prefix
    FIRESTORE_PROJECT    = var.project
    FIRESTORE_DATABASE   = google_firestore_database.this.name
    FIRESTORE_COLLECTION = local.collection
    AUTH_MODE            = var.auth_mode
    PUSH_AUDIENCE        = local.audience
    ALLOWED_CALLERS      = join(",", local.callers)
    RUN_BUDGET           = "${var.run_budget_seconds}s"
    INITIAL_LOOKBACK     = "${var.initial_lookback_hours}h"
    GOMEMLIMIT           = "${floor(0.8 * local.memory_mib)}MiB" # leaves room for what is not on Go's heap
  })
}

resource "google_service_account" "run" {
  project      = var.project
  account_id   = "${var.name}-run"
  display_name = "The service: ${local.service}"

  depends_on = [google_project_service.this]
}

# People impersonate it to trigger by hand.
resource "google_service_account" "invoker" {
  project      = var.project
  account_id   = "${var.name}-invoker"
  display_name = "Manual calls of ${local.service}"

  depends_on = [google_project_service.this]
}

resource "google_service_account_iam_member" "operator" {
  for_each = var.operators

  service_account_id = google_service_account.invoker.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = each.value
}

resource "google_cloud_run_v2_service" "this" {
  project             = var.project
  name                = local.service
  location            = var.region
  ingress             = var.ingress == "internal" ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"
  deletion_protection = false # it keeps nothing

  template {
    service_account = google_service_account.run.email
    timeout         = "${local.timeout_seconds}s"

    # More than one request, so that the service itself can answer "busy"; else
    # Cloud Run would refuse with 429, which Pub/Sub counts as a failure. Further
    # logs need no more requests: one push runs them all.
    max_instance_request_concurrency = local.requests
    scaling {
      max_instance_count = 2
    }

    containers {
      image = coalesce(var.image, local.sample)

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }

      resources {
        limits   = { cpu = "1", memory = "${local.memory_mib}Mi" }
        cpu_idle = true # no work is done between requests
      }

      startup_probe {
        period_seconds    = 2
        failure_threshold = 15
        http_get {
          path = "/health"
        }
      }
    }

    dynamic "vpc_access" {
      for_each = google_compute_subnetwork.egress
      content {
        egress = "ALL_TRAFFIC"
        network_interfaces {
          subnetwork = vpc_access.value.id
        }
      }
    }
  }

  lifecycle {
    # What Cloud Build's deployments set: the image, and the secrets' mounts,
    # which Cloud Run refuses while a secret has no version. The invoker check
    # too: only who sees which revisions can be reached may switch it off. Until
    # the first build does, nobody without a role gets through.
    ignore_changes = [
      client, client_version, traffic, invoker_iam_disabled,
      template[0].annotations, template[0].labels, template[0].volumes,
      template[0].containers[0].image, template[0].containers[0].volume_mounts,
    ]

    precondition {
      condition     = local.needed_mib <= 4096
      error_message = "CONCURRENCY, in each of workers + 1 requests, is more accounts at once than an instance has memory for: 126 at most. Lower one of them."
    }

    # The plan knows how the check is: nothing here changes it.
    postcondition {
      condition     = var.auth_mode == "verify" || !coalesce(self.invoker_iam_disabled, false)
      error_message = "With auth_mode = cloudrun-iam everybody would get in: Cloud Run's invoker check is off. Switch it on first: gcloud run services update ${local.service} --region=${var.region} --project=${var.project} --invoker-iam-check"
    }

    # Once there is an image that reads the files, they must be mounted before the
    # environment names them: else no instance starts. And a secret must stay until
    # it is no longer mounted: else Cloud Run refuses every new revision.
    postcondition {
      condition = length(var.secrets) == 0 || contains(compact([local.sample, var.image]), self.template[0].containers[0].image) || alltrue([
        for file in values(local.secret_files) : contains(self.template[0].containers[0].volume_mounts[*].mount_path, dirname(file))
      ])
      error_message = "The service would not find all of ${join(", ", values(local.secret_files))}. Add a version to each of these secrets, and mount them first: gcloud run services update ${local.service} --region=${var.region} --project=${var.project} --update-secrets=${join(",", [for file in values(local.secret_files) : "${file}=${var.name}-${basename(file)}:latest"])}"
    }
    postcondition {
      condition = length(setintersection(
        [for secret in flatten(self.template[0].volumes[*].secret) : basename(secret.secret)],
        [for secret in setsubtract(local.more_secrets, var.secrets) : "${var.name}-${secret}"],
      )) == 0
      error_message = "The service mounts a secret that secrets no longer has: without it Cloud Run would refuse every new revision. Leave it there, apply what does not need it any more, build, and take it out then."
    }
  }

  depends_on = [
    google_project_service.this,
    google_project_iam_member.datastore,
    google_secret_manager_secret_iam_member.run,
    google_secret_manager_secret_iam_member.more,
    google_storage_bucket_iam_member.run,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.invokers

  project  = var.project
  name     = google_cloud_run_v2_service.this.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value
}
