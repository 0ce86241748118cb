output "url" {
  description = "Address of the service, and the audience of its id tokens."
  value       = local.url
}

output "feeds" {
  description = "What each SecOps feed reads, by log, or with feed_accounts by stream, as in telephony@api-0a1b2c3d.duosecurity.com: the URI, with the closing slash that it needs, and the log type. Its form asks for them, where secops is not set. An {account} that is left in a URI stands for each account's API hostname."
  value       = local.feeds
}

output "feed_uri" {
  description = "The URI of the only feed; null with several."
  value       = length(local.feeds) == 1 ? values(local.feeds)[0].uri : null
}

output "curl" {
  description = "Triggers a run by hand, for those in operators."
  value = join(" ", [
    "curl -X POST -H \"Authorization: Bearer $(gcloud auth print-identity-token",
    "--impersonate-service-account=${google_service_account.invoker.email}",
    "--audiences=${local.audience} --include-email)\" ${local.url}/run",
  ])
}

output "page" {
  description = "Shows the status page in a browser, for those in operators, from the repository's root."
  value       = local.page
}

output "secret" {
  description = "Where Duo's secret key goes: gcloud secrets versions add."
  value       = google_secret_manager_secret.skey.secret_id
}

output "build" {
  description = "Builds and deploys the service, from the repository's root."
  value = join(" ", [
    "gcloud builds submit --project=${var.project} --config=cloudbuild.yaml",
    "--gcs-source-staging-dir=gs://${google_storage_bucket.source.name}/source",
    "--substitutions=_NAME=${var.name},_REGION=${var.region},_VERSION=$(git describe --always --dirty)",
  ])
}

output "egress_address" {
  description = "With static_egress, the address for Duo's network restrictions."
  value       = one(google_compute_address.egress[*].address)
}
