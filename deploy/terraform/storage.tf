resource "google_storage_bucket" "objects" {
  project                     = var.project
  name                        = local.bucket
  location                    = coalesce(var.bucket_location, var.region)
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.allow_destroy

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 3600
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.object_age_days
    }
  }

  depends_on = [google_project_service.this]
}

# No role that could delete or overwrite: an object is written once.
resource "google_storage_bucket_iam_member" "run" {
  for_each = toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])

  bucket = google_storage_bucket.objects.name
  role   = each.value
  member = google_service_account.run.member
}

# The feed looks at the bucket itself too.
resource "google_storage_bucket_iam_member" "feed" {
  for_each = toset(var.feed_account == null ? [] : [
    "roles/storage.objectViewer",
    local.feed_deletion == "NEVER" ? "roles/storage.legacyBucketReader" : "roles/storage.legacyBucketWriter",
  ])

  bucket = google_storage_bucket.objects.name
  role   = each.value
  member = "serviceAccount:${var.feed_account}"
}
