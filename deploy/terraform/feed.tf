# With secops, a SecOps feed for each log, or for each log of each account, and the
# way by which it learns of new objects: bucket, topic, subscription.

locals {
  # By log, or by stream, as in telephony@api-0a1b2c3d.duosecurity.com.
  feed_folders = merge(
    { for log, folder in local.folders : log => replace(folder, "{account}", var.accounts == "own" ? var.duo_api_host : "{account}") if length(var.feed_accounts) == 0 },
    { for pair in setproduct(local.logs, var.feed_accounts) : join("@", pair) => replace(local.folders[pair[0]], "{account}", pair[1]) },
  )
  feed_prefixes = { for key, folder in local.feed_folders : key => folder == "" ? "" : "${folder}/" }
  feeds = { for key, prefix in local.feed_prefixes : key => {
    uri      = "gs://${google_storage_bucket.objects.name}/${prefix}"
    log_type = local.log_types[split("@", key)[0]]
  } }
  # Pub/Sub takes no @, and changes no filter: where that changes there is another
  # subscription, before the old one goes.
  feed_names = { for key, prefix in local.feed_prefixes : key => length(var.feed_accounts) == 0 ? key :
    join("-", concat(split("@", key), [substr(sha1(prefix), 0, 8)]))
  }
  feed_age_days = 180
  event_driven  = try(var.secops.event_driven, false)
  feed_deletion = try(var.secops.delete_after_transfer, false) ? "ON_SUCCESS" : "NEVER"

  secops_feeds = { for key, feed in local.feeds : key => feed if var.secops != null }
  event_feeds  = { for key, feed in local.secops_feeds : key => feed if local.event_driven }

  # A bucket can have 10 notifications of new objects, too few for a provider's
  # feeds. Those share one, and each subscription filters its topic.
  # https://cloud.google.com/storage/docs/pubsub-notifications
  shared_topic = "accounts"
  feed_topics = merge(
    { for key, feed in local.event_feeds : key => local.feed_prefixes[key] if length(var.feed_accounts) == 0 },
    { for key in [local.shared_topic] : key => split("{", var.gcs_prefix)[0] if length(var.feed_accounts) > 0 && length(local.event_feeds) > 0 },
  )
}

# Cloud Storage's agent. Asking for it creates it.
data "google_storage_project_service_account" "this" {
  count = length(local.event_feeds) > 0 ? 1 : 0

  project = var.project

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic" "feed" {
  for_each = local.feed_topics

  project = var.project
  name    = "${var.name}-feed-${each.key}"

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic_iam_member" "feed" {
  for_each = local.feed_topics

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
  name                 = "${var.name}-feed-${local.feed_names[each.key]}"
  topic                = google_pubsub_topic.feed[length(var.feed_accounts) == 0 ? each.key : local.shared_topic].id
  filter               = length(var.feed_accounts) == 0 ? null : "hasPrefix(attributes.objectId, \"${local.feed_prefixes[each.key]}\")"
  ack_deadline_seconds = 300

  # An object whose message is gone is not read any more: as long as Pub/Sub can.
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }

  lifecycle {
    precondition {
      condition     = length(var.feed_accounts) == 0 || length(local.feed_prefixes[each.key]) <= 220
      error_message = "Pub/Sub takes filters of 256 bytes: shorten gcs_prefix, so that an account's folder has at most 220."
    }
  }
}

resource "google_pubsub_subscription_iam_member" "feed" {
  for_each = { for pair in setproduct(keys(local.event_feeds), ["roles/pubsub.subscriber", "roles/pubsub.viewer"]) :
    "${pair[0]} ${pair[1]}" => { feed = pair[0], role = pair[1] }
  }

  project      = var.project
  subscription = google_pubsub_subscription.feed[each.value.feed].id
  role         = each.value.role
  member       = "serviceAccount:${var.feed_account}"
}

resource "google_storage_notification" "feed" {
  for_each = local.feed_topics

  bucket             = google_storage_bucket.objects.name
  topic              = google_pubsub_topic.feed[each.key].id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = each.value == "" ? null : each.value

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
  display_name = "${local.service}-${replace(each.key, "@", "-")}"
  enabled      = true

  details {
    feed_source_type = local.event_driven ? "GOOGLE_CLOUD_STORAGE_EVENT_DRIVEN" : "GOOGLE_CLOUD_STORAGE_V2"
    log_type         = "projects/${var.secops.project}/locations/${var.secops.location}/instances/${var.secops.instance}/logTypes/${each.value.log_type}"
    labels           = length(var.feed_accounts) == 0 ? null : { duo_account = split("@", each.key)[1] }

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
