# What cloudbuild.yaml runs as, where its source and its images go.

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "${var.name}-build"
  display_name = "Builds and deploys ${local.service}"

  depends_on = [google_project_service.this]
}

resource "google_artifact_registry_repository" "images" {
  project       = var.project
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }
  # Enough to roll back to, however old.
  cleanup_policies {
    id     = "keep-latest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_storage_bucket" "source" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-build"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # copies of the repository

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 7
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

# On this service alone; developer could not set the invoker check.
resource "google_cloud_run_v2_service_iam_member" "build" {
  project  = var.project
  name     = google_cloud_run_v2_service.this.name
  location = var.region
  role     = "roles/run.admin"
  member   = google_service_account.build.member
}

# A deployment names the account that the service runs as.
resource "google_service_account_iam_member" "build_run" {
  service_account_id = google_service_account.run.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.build.member
}

# Behind Cloud Run's check the smoke request needs an id token.
resource "google_service_account_iam_member" "build_token" {
  count = var.auth_mode == "cloudrun-iam" ? 1 : 0

  service_account_id = google_service_account.build.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = google_service_account.build.member
}

resource "google_project_iam_member" "build_log" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}
