# Terraform makes the secret and never sees its value: that would be in the
# state. The first value, and every later one, comes from
#
#   gcloud secrets versions add NAME-skey --data-file=-

resource "google_secret_manager_secret" "skey" {
  project   = var.project
  secret_id = "${var.name}-skey"

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_member" "run" {
  project   = var.project
  secret_id = google_secret_manager_secret.skey.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.run.member
}
