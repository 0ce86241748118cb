# With secops, a SecOps feed for each log, and the way by which it learns of new
# objects: bucket, topic, subscription.

locals {
  feeds = { for log, folder in local.folders : log => {
    uri      = "gs://${google_storage_bucket.objects.name}/${folder == "" ? "" : "${folder}/"}"
    log_type = local.log_types[log]
  } }
  feed_age_days = 180
  event_driven  = try(var.secops.event_driven, false)
  feed_deletion = try(var.secops.delete_after_transfer, false) ? "ON_SUCCESS" : "NEVER"

  secops_feeds = { for log, feed in local.feeds : log => feed if var.secops != null }
  event_feeds  = { for log, feed in local.secops_feeds : log => feed if local.event_driven }
}

# Cloud Storage's agent, which asking for it creates.
data "google_storage_project_service_account" "this" {
  count = length(local.event_feeds) > 0 ? 1 : 0

  project = var.project

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic" "feed" {
  for_each = local.event_feeds

  project = var.project
  name    = "${var.name}-feed-${each.key}"

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic_iam_member" "feed" {
  for_each = local.event_feeds

  project = var.project
  topic   = google_pubsub_topic.feed[each.key].id
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${data.google_storage_project_service_account.this[0].email_address}"
}

# A subscription takes one transfer: each feed has its own, and is told only of
# its own folder.
resource "google_pubsub_subscription" "feed" {
  for_each = local.event_feeds

  project              = var.project
  name                 = "${var.name}-feed-${each.key}"
  topic                = google_pubsub_topic.feed[each.key].id
  ack_deadline_seconds = 300

  # An object whose message is gone is not read any more: as long as Pub/Sub can.
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription_iam_member" "feed" {
  for_each = { for pair in setproduct(keys(local.event_feeds), ["roles/pubsub.subscriber", "roles/pubsub.viewer"]) :
    "${pair[0]} ${pair[1]}" => { log = pair[0], role = pair[1] }
  }

  project      = var.project
  subscription = google_pubsub_subscription.feed[each.value.log].id
  role         = each.value.role
  member       = "serviceAccount:${var.feed_account}"
}

resource "google_storage_notification" "feed" {
  for_each = local.event_feeds

  bucket             = google_storage_bucket.objects.name
  topic              = google_pubsub_topic.feed[each.key].id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = local.folders[each.key] == "" ? null : "${local.folders[each.key]}/"

  # No message goes where nothing keeps it, and none is missed while gcs_prefix
  # changes.
  lifecycle {
    create_before_destroy = true
  }
  depends_on = [google_pubsub_topic_iam_member.feed, google_pubsub_subscription.feed]
}

resource "google_chronicle_feed" "this" {
  for_each = local.secops_feeds

  project      = var.secops.project
  location     = var.secops.location
  instance     = var.secops.instance
  display_name = "${local.service}-${each.key}"
  enabled      = true

  details {
    feed_source_type = local.event_driven ? "GOOGLE_CLOUD_STORAGE_EVENT_DRIVEN" : "GOOGLE_CLOUD_STORAGE_V2"
    log_type         = "projects/${var.secops.project}/locations/${var.secops.location}/instances/${var.secops.instance}/logTypes/${each.value.log_type}"

    dynamic "google_cloud_storage_event_driven_settings" {
      for_each = local.event_driven ? [google_pubsub_subscription.feed[each.key].id] : []
      content {
        bucket_uri             = each.value.uri
        pubsub_subscription    = google_cloud_storage_event_driven_settings.value
        max_lookback_days      = local.feed_age_days
        source_deletion_option = local.feed_deletion
      }
    }
    dynamic "gcs_v2_settings" {
      for_each = local.event_driven ? [] : [each.value.uri]
      content {
        bucket_uri             = gcs_v2_settings.value
        max_lookback_days      = local.feed_age_days
        source_deletion_option = local.feed_deletion
      }
    }
  }

  # SecOps looks at what it is to read when the feed is made.
  depends_on = [
    google_pubsub_subscription_iam_member.feed,
    google_storage_bucket_iam_member.feed,
    google_storage_notification.feed,
  ]
}

# The account is asked for by hand, before there is a feed. The provider asks too
# while it makes one.
check "feed_account" {
  assert {
    condition     = alltrue([for feed in google_chronicle_feed.this : coalesce(feed.feed_service_account, var.feed_account) == var.feed_account])
    error_message = "SecOps reads the bucket as ${join(", ", [for feed in google_chronicle_feed.this : coalesce(feed.feed_service_account, var.feed_account)])}, which has no right to: set feed_account to it."
  }
}
