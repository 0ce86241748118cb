locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_service_account" "push" {
  project      = var.project
  account_id   = "${var.name}-push"
  display_name = "Pub/Sub's pushes to ${local.service}"

  depends_on = [google_project_service.this]
}

# The agent of a project from before April 2021 has no right to make id tokens.
resource "google_service_account_iam_member" "push_token" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.pubsub_agent

  depends_on = [google_pubsub_topic.tick] # the agent comes with the first topic
}

resource "google_pubsub_topic" "tick" {
  project = var.project
  name    = "${var.name}-tick"

  depends_on = [google_project_service.this]
}

resource "google_cloud_scheduler_job" "tick" {
  project     = var.project
  name        = "${var.name}-tick"
  region      = var.region
  schedule    = var.schedule
  time_zone   = var.time_zone
  description = "Makes ${local.service} collect what is new"

  pubsub_target {
    topic_name = google_pubsub_topic.tick.id
    data       = base64encode("tick")
  }
}

# A job publishes one message, so further ones need further jobs.
resource "google_cloud_scheduler_job" "more" {
  for_each = toset([for n in range(2, var.workers + 1) : tostring(n)])

  project     = var.project
  name        = "${var.name}-tick-${each.key}"
  region      = var.region
  schedule    = var.schedule
  time_zone   = var.time_zone
  description = "One more request of ${local.service} at each tick"

  pubsub_target {
    topic_name = google_pubsub_topic.tick.id
    data       = base64encode("tick")
  }
}

resource "google_pubsub_subscription" "push" {
  project              = var.project
  name                 = "${var.name}-push"
  topic                = google_pubsub_topic.tick.id
  ack_deadline_seconds = local.timeout_seconds

  # A tick that was missed is made up for by the next one.
  message_retention_duration = "3600s"

  push_config {
    push_endpoint = "${local.url}/"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.audience
    }
  }

  retry_policy {
    minimum_backoff = "30s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = 5
  }

  expiration_policy {
    ttl = "" # never; the default is 31 days without a message
  }

  depends_on = [google_service_account_iam_member.push_token]
}

resource "google_pubsub_topic" "dead" {
  project = var.project
  name    = "${var.name}-dead"

  depends_on = [google_project_service.this]
}

# Without a subscription what goes to the topic is gone.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project
  name                       = "${var.name}-dead"
  topic                      = google_pubsub_topic.dead.id
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "dead" {
  project = var.project
  topic   = google_pubsub_topic.dead.id
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead" {
  project      = var.project
  subscription = google_pubsub_subscription.push.id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
