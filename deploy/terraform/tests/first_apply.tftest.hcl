# From an empty project to a second instance, and to its end. The runs share
# their state.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

run "empty_project" {
  assert {
    condition     = !google_cloud_run_v2_service.this.invoker_iam_disabled && length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "Pushes would reach the sample, which acknowledges them."
  }
  assert {
    condition     = length(google_cloud_run_v2_service.this.template[0].volumes) == 0 && length(google_cloud_run_v2_service.this.template[0].containers[0].volume_mounts) == 0
    error_message = "Cloud Run refuses to mount a secret that has no version yet."
  }
  assert {
    condition     = google_storage_bucket.objects.force_destroy == false && google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_ENABLED" && google_firestore_database.this.deletion_policy == "ABANDON"
    error_message = "terraform destroy would delete records or cursors."
  }
}

run "cloudrun_iam_before_a_build" {
  command = plan
  variables {
    auth_mode = "cloudrun-iam"
  }
  assert {
    condition     = !contains(keys(google_cloud_run_v2_service_iam_member.invoker), "push") && length(google_cloud_run_v2_service_iam_member.invoker) == 2
    error_message = "The sample would acknowledge every push."
  }
}

# A build has deployed another image since: what is there differs from what the
# variable says.
run "after_a_build" {
  command = plan
  variables {
    image = "us-docker.pkg.dev/cloudrun/container/other"
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].containers[0].image == "us-docker.pkg.dev/cloudrun/container/hello"
    error_message = "An apply would put another image in the place of the build's."
  }
}

# No resource may rest on a default of the provider: it is the root module's, and
# that of a second instance may be another.
run "projects" {
  variables {
    alert_emails  = ["ann@example.com"]
    static_egress = true
    secrets       = ["accounts", "phones-key"]
    feed_account  = "feed@secops.iam.gserviceaccount.com"
    secops        = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000" }
  }
  assert {
    condition = alltrue([for r in concat(
      [for s in google_project_service.this : s], [for c in google_monitoring_notification_channel.email : c],
      [for t in google_pubsub_topic.feed : t], [for s in google_pubsub_subscription.feed : s],
      [for s in google_secret_manager_secret.more : s], [for m in google_secret_manager_secret_iam_member.more : m],
      google_compute_network.egress, google_compute_subnetwork.egress, google_compute_address.egress, google_compute_router.egress, google_compute_router_nat.egress,
      ) : r.project == "demo-project"]) && alltrue([for project in [
      google_artifact_registry_repository.images.project, google_artifact_registry_repository_iam_member.build.project,
      google_cloud_run_v2_service.this.project, google_cloud_run_v2_service_iam_member.build.project, google_cloud_scheduler_job.tick.project,
      google_firestore_database.this.project, google_firestore_field.expire_at.project, google_firestore_field.seen.project,
      google_logging_metric.lag.project, google_logging_metric.records.project, google_logging_metric.refused.project, google_logging_metric.runs.project,
      google_monitoring_alert_policy.act.project, google_monitoring_alert_policy.dead_letters.project, google_monitoring_alert_policy.gap.project,
      google_monitoring_alert_policy.lag.project, google_monitoring_alert_policy.no_complete_run.project, google_monitoring_alert_policy.refused.project, google_monitoring_alert_policy.service.project,
      google_monitoring_dashboard.this.project, google_project_iam_member.build_log.project, google_project_iam_member.datastore.project,
      google_pubsub_subscription.dead.project, google_pubsub_subscription.push.project, google_pubsub_topic.dead.project, google_pubsub_topic.tick.project,
      google_secret_manager_secret.skey.project, google_service_account.build.project, google_service_account.invoker.project,
      google_service_account.push.project, google_service_account.run.project, google_storage_bucket.objects.project, google_storage_bucket.source.project,
    ] : project == "demo-project"])
    error_message = "A resource does not name its project."
  }
}

run "second_instance" {
  variables {
    name    = "duo-two"
    secrets = ["accounts", "phones-key"]
  }
  assert {
    condition = alltrue([for name in concat([for s in google_secret_manager_secret.more : s.secret_id], [
      google_service_account.build.account_id, google_service_account.invoker.account_id, google_service_account.push.account_id, google_service_account.run.account_id,
      google_artifact_registry_repository.images.repository_id, google_cloud_run_v2_service.this.name, google_cloud_scheduler_job.tick.name,
      google_firestore_database.this.name, google_pubsub_topic.tick.name, google_pubsub_topic.dead.name, google_pubsub_subscription.push.name,
      google_pubsub_subscription.dead.name, google_secret_manager_secret.skey.secret_id, google_project_iam_member.datastore.condition[0].title,
      trimprefix(google_storage_bucket.objects.name, "demo-project-"), trimprefix(google_storage_bucket.source.name, "demo-project-"),
      google_monitoring_alert_policy.act.display_name, replace(google_logging_metric.runs.name, "_", "-"), replace(google_logging_metric.lag.name, "_", "-"),
      replace(google_logging_metric.records.name, "_", "-"), replace(google_logging_metric.refused.name, "_", "-"),
    ]) : startswith(name, "duo-two")])
    error_message = "Two instances of the module in one project would meet in a name."
  }
}

run "two_side_by_side" {
  module {
    source = "./examples/two"
  }
  assert {
    condition     = length(distinct([for m in module.duo : m.url])) == 2 && length(distinct([for m in module.duo : m.feeds["telephony"].uri])) == 2 && length(distinct([for m in module.duo : m.secret])) == 2
    error_message = "The two instances have something in common."
  }
}

run "allow_destroy" {
  variables {
    allow_destroy = true
  }
  assert {
    condition     = google_storage_bucket.objects.force_destroy && google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_DISABLED" && google_firestore_database.this.deletion_policy == "DELETE"
    error_message = "terraform destroy would stop at the bucket, or leave the database."
  }
}
