# Terraform makes the secrets and never sees their values: they would be in the
# state. The first value, and every later one, comes from
#
#   gcloud secrets versions add NAME-skey --data-file=-

locals {
  # Where the service finds each secret that it needs, by the variable that says
  # so. A build mounts these, and takes the secret's name from the path's end.
  secret_files = merge(
    var.accounts == "file" ? { DUO_ACCOUNTS = "/secrets/accounts/accounts" } : { DUO_SKEY_FILE = "/secrets/duo/skey" },
    local.hashed ? { PHONES_KEY_FILE = "/secrets/phones-key/phones-key" } : {},
  )
  more_secrets = ["accounts", "phones-key"]
  hashed       = lower(lookup(var.settings, "PHONES", "keep")) == "hash"
}

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

# Made before the service needs them: while a secret has no version Cloud Run
# refuses to mount it.
resource "google_secret_manager_secret" "more" {
  for_each = var.secrets

  project   = var.project
  secret_id = "${var.name}-${each.value}"

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_member" "more" {
  for_each = google_secret_manager_secret.more

  project   = var.project
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.run.member
}
