resource "google_firestore_database" "this" {
  project                 = var.project
  name                    = local.database
  location_id             = coalesce(var.firestore_location, var.region)
  type                    = "FIRESTORE_NATIVE"
  delete_protection_state = var.allow_destroy ? "DELETE_PROTECTION_DISABLED" : "DELETE_PROTECTION_ENABLED"
  deletion_policy         = var.allow_destroy ? "DELETE" : "ABANDON"

  depends_on = [google_project_service.this]
}

# The history of runs ends by itself. A TTL policy counts for every collection of the name in the database, so the name is
# the service's own.
resource "google_firestore_field" "expire_at" {
  project    = var.project
  database   = google_firestore_database.this.name
  collection = "duo-collector-runs"
  field      = "expire_at"

  ttl_config {}
}

# Up to 40,000 identities in some eighty values, which no query asks for.
resource "google_firestore_field" "seen" {
  project    = var.project
  database   = google_firestore_database.this.name
  collection = local.collection
  field      = "seen"

  index_config {}
}

resource "google_project_iam_member" "datastore" {
  project = var.project
  role    = "roles/datastore.user"
  member  = google_service_account.run.member

  condition {
    title      = "${var.name}-database"
    expression = "resource.name == \"projects/${var.project}/databases/${local.database}\""
  }
}
