# What the variables change.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

run "cloudrun_iam" {
  variables {
    auth_mode = "cloudrun-iam"
    callers   = ["other@demo-project.iam.gserviceaccount.com"]
    image     = "us-central1-docker.pkg.dev/demo-project/duo-telephony/server:1"
  }
  assert {
    condition     = local.environment.AUTH_MODE == "cloudrun-iam"
    error_message = "The service would check signatures that Cloud Run takes off."
  }
  assert {
    condition = { for m in google_cloud_run_v2_service_iam_member.invoker : m.member => m.role } == {
      "serviceAccount:duo-telephony-push@demo-project.iam.gserviceaccount.com"    = "roles/run.invoker"
      "serviceAccount:duo-telephony-invoker@demo-project.iam.gserviceaccount.com" = "roles/run.invoker"
      "serviceAccount:duo-telephony-build@demo-project.iam.gserviceaccount.com"   = "roles/run.invoker"
      "serviceAccount:other@demo-project.iam.gserviceaccount.com"                 = "roles/run.invoker"
    }
    error_message = "Cloud Run must let through whom the service accepts, and the build's smoke request."
  }
  assert {
    condition     = local.environment.ALLOWED_CALLERS == "duo-telephony-push@demo-project.iam.gserviceaccount.com,duo-telephony-invoker@demo-project.iam.gserviceaccount.com,other@demo-project.iam.gserviceaccount.com"
    error_message = "The build account is no caller, and other is one."
  }
  assert {
    condition     = google_service_account_iam_member.build_token[0].service_account_id == google_service_account.build.name
    error_message = "The smoke request can't have an id token."
  }
}

run "internal" {
  variables {
    ingress = "internal"
  }
  assert {
    condition     = google_cloud_run_v2_service.this.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "The service is open to the internet."
  }
}

run "static_egress" {
  variables {
    static_egress = true
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].vpc_access[0].egress == "ALL_TRAFFIC" && google_compute_router_nat.egress[0].nat_ip_allocate_option == "MANUAL_ONLY"
    error_message = "Duo would see other addresses."
  }
  assert {
    condition     = google_compute_router_nat.egress[0].nat_ips == toset([google_compute_address.egress[0].self_link]) && output.egress_address == google_compute_address.egress[0].address
    error_message = "The address that is put out is not the one that Duo sees."
  }
  assert {
    condition     = google_compute_subnetwork.egress[0].private_ip_google_access && contains(keys(google_project_service.this), "compute.googleapis.com")
    error_message = "Google's APIs are reached by the NAT, or the network's API is off."
  }
}

run "feed" {
  variables {
    feed_account = "feed@secops.iam.gserviceaccount.com"
  }
  assert {
    condition     = { for m in google_storage_bucket_iam_member.feed : m.role => m.member } == { for r in ["roles/storage.objectViewer", "roles/storage.legacyBucketReader"] : r => "serviceAccount:feed@secops.iam.gserviceaccount.com" }
    error_message = "The feed needs these two roles, and no other."
  }
}

run "people" {
  variables {
    operators    = ["user:ann@example.com"]
    alert_emails = ["ann@example.com"]
  }
  assert {
    condition     = google_service_account_iam_member.operator["user:ann@example.com"].service_account_id == google_service_account.invoker.name && google_service_account_iam_member.operator["user:ann@example.com"].role == "roles/iam.serviceAccountOpenIdTokenCreator"
    error_message = "An operator makes id tokens of the invoker, and nothing else."
  }
  assert {
    condition = alltrue([for p in [
      google_monitoring_alert_policy.act, google_monitoring_alert_policy.dead_letters, google_monitoring_alert_policy.gap,
      google_monitoring_alert_policy.lag, google_monitoring_alert_policy.no_complete_run, google_monitoring_alert_policy.refused,
      google_monitoring_alert_policy.service,
    ] : p.notification_channels == tolist([google_monitoring_notification_channel.email["ann@example.com"].id])])
    error_message = "An alert tells nobody."
  }
}

run "runbook" {
  variables {
    runbook_url = "https://git.example.com/duo/blob/main/docs/operations.md"
  }
  assert {
    condition     = local.environment.RUNBOOK_URL == var.runbook_url
    error_message = "The status page does not link to the runbook."
  }
}

run "names" {
  variables {
    name               = "duo-two"
    bucket             = "some-bucket"
    gcs_prefix         = ""
    firestore_database = "(default)"
    region             = "europe-west1"
    settings           = { OVERLAP = "1h" }
    schedule           = "17 * * * *"
    interval_minutes   = 60
  }
  assert {
    condition     = output.feed_uri == "gs://some-bucket/" && local.environment.OVERLAP == "1h" && local.environment.FIRESTORE_DATABASE == "(default)"
    error_message = "A variable does not reach the service or the feed."
  }
  assert {
    condition     = output.url == "https://duo-two-collector-123456789012.europe-west1.run.app" && local.environment.PUSH_AUDIENCE == output.url
    error_message = "The address does not follow name and region."
  }
  assert {
    condition     = google_storage_bucket.objects.location == "europe-west1" && google_firestore_database.this.location_id == "europe-west1"
    error_message = "Data lies in another region than the service."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.no_complete_run.conditions[0].condition_prometheus_query_language[0].query, "user_duo_two_runs") && google_logging_metric.runs.name == "duo_two_runs"
    error_message = "The alert asks another metric."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.no_complete_run.conditions[0].condition_prometheus_query_language[0].query, "[120m]") && google_monitoring_alert_policy.no_complete_run.conditions[0].condition_prometheus_query_language[0].duration == "3600s"
    error_message = "The two hours that are looked back and the one that is waited are not three intervals."
  }
}
