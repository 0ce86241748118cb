# What holds for a project that sets only what it must.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

run "defaults" {
  assert {
    condition     = length(local.environment.PUSH_AUDIENCE) > 0 && google_pubsub_subscription.push.push_config[0].oidc_token[0].audience == local.environment.PUSH_AUDIENCE
    error_message = "The subscription's audience and the service's differ: every push would be refused."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].push_endpoint == "https://duo-telephony-collector-123456789012.us-central1.run.app/"
    error_message = "Pushes go elsewhere than to POST /."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].oidc_token[0].service_account_email == google_service_account.push.email && contains(split(",", local.environment.ALLOWED_CALLERS), google_service_account.push.email)
    error_message = "The account that pushes is no allowed caller."
  }
  assert {
    condition     = local.environment.ALLOWED_CALLERS == "duo-telephony-push@demo-project.iam.gserviceaccount.com,duo-telephony-invoker@demo-project.iam.gserviceaccount.com"
    error_message = "Somebody else may call, or somebody is missing."
  }
  assert {
    condition     = { for e in google_cloud_run_v2_service.this.template[0].containers[0].env : e.name => e.value } == local.environment
    error_message = "The service does not get its environment."
  }
  assert {
    condition     = !contains(keys(local.environment), "RUNBOOK_URL")
    error_message = "The service would refuse a path as RUNBOOK_URL, and not start."
  }
  assert {
    condition     = google_pubsub_subscription.push.ack_deadline_seconds == 600 && google_cloud_run_v2_service.this.template[0].timeout == "600s"
    error_message = "Pub/Sub and Cloud Run must wait equally long, the 600 s that is the most Pub/Sub takes."
  }
  assert {
    condition     = tonumber(trimsuffix(local.environment.RUN_BUDGET, "s")) < google_pubsub_subscription.push.ack_deadline_seconds
    error_message = "A run would outlast its request, and be delivered again while it goes on."
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].max_instance_request_concurrency > 1
    error_message = "An instance must be able to answer busy during a run."
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].scaling[0].max_instance_count <= 3
    error_message = "One run at a time needs few instances."
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].service_account == google_service_account.run.email
    error_message = "The service runs as another account."
  }
  assert {
    condition     = google_cloud_run_v2_service.this.ingress == "INGRESS_TRAFFIC_ALL"
    error_message = "The service can't be reached."
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "In verify nobody needs a role on the service."
  }
}

run "subscriptions" {
  assert {
    condition     = google_pubsub_subscription.push.expiration_policy[0].ttl == "" && google_pubsub_subscription.dead.expiration_policy[0].ttl == ""
    error_message = "A subscription would be deleted after a month of silence."
  }
  assert {
    condition     = google_pubsub_subscription.push.topic == google_cloud_scheduler_job.tick.pubsub_target[0].topic_name
    error_message = "The schedule's ticks do not reach the subscription."
  }
  assert {
    condition     = google_pubsub_subscription.push.dead_letter_policy[0].dead_letter_topic == google_pubsub_subscription.dead.topic
    error_message = "Dead letters would be lost: their topic has no subscription."
  }
  assert {
    condition     = google_pubsub_subscription.push.dead_letter_policy[0].max_delivery_attempts >= 5 && google_pubsub_subscription.push.dead_letter_policy[0].max_delivery_attempts <= 100
    error_message = "Pub/Sub takes from 5 to 100 attempts."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.dead.topic == google_pubsub_topic.dead.id && google_pubsub_topic_iam_member.dead.role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.dead.member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub's agent can't publish dead letters."
  }
  assert {
    condition     = google_pubsub_subscription_iam_member.dead.subscription == google_pubsub_subscription.push.id && google_pubsub_subscription_iam_member.dead.role == "roles/pubsub.subscriber" && google_pubsub_subscription_iam_member.dead.member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub's agent can't take dead letters from the subscription."
  }
}

run "data" {
  assert {
    condition     = toset([for m in google_storage_bucket_iam_member.run : m.role]) == toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])
    error_message = "The service creates and reads objects. It must not be able to delete or overwrite one."
  }
  assert {
    condition     = alltrue([for m in google_storage_bucket_iam_member.run : m.bucket == local.environment.GCS_BUCKET && m.member == google_service_account.run.member])
    error_message = "The grants are for another bucket or account."
  }
  assert {
    condition     = google_project_iam_member.datastore.role == "roles/datastore.user" && google_project_iam_member.build_log.role == "roles/logging.logWriter"
    error_message = "A role on the whole project may reach the bucket too."
  }
  assert {
    condition     = google_storage_bucket.objects.uniform_bucket_level_access && google_storage_bucket.objects.public_access_prevention == "enforced" && !google_storage_bucket.objects.versioning[0].enabled
    error_message = "The bucket is less well guarded than it should be."
  }
  assert {
    condition     = length(google_storage_bucket_iam_member.feed) + length(google_chronicle_feed.this) + length(google_storage_notification.feed) + length(google_pubsub_topic.feed) + length(google_pubsub_subscription.feed) == 0
    error_message = "There is no feed that could need a role or a notification."
  }
  assert {
    condition     = google_firestore_database.this.type == "FIRESTORE_NATIVE" && google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_ENABLED" && google_firestore_database.this.name == local.environment.FIRESTORE_DATABASE
    error_message = "The service needs this database, in native mode and protected."
  }
  assert {
    condition     = google_project_iam_member.datastore.condition[0].expression == "resource.name == \"projects/demo-project/databases/duo-telephony\""
    error_message = "The service may use other databases of the project too."
  }
  assert {
    condition     = google_firestore_field.seen.collection == local.environment.FIRESTORE_COLLECTION && length(google_firestore_field.seen.index_config[0].indexes) == 0
    error_message = "The set of identities would be indexed."
  }
  assert {
    condition     = google_firestore_field.expire_at.collection == "duo-collector-runs" && google_firestore_field.expire_at.field == "expire_at"
    error_message = "The history of runs would not end, or another application's would."
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.run.secret_id == google_secret_manager_secret.skey.id && google_secret_manager_secret_iam_member.run.member == google_service_account.run.member
    error_message = "The service can't read its secret key."
  }
}

run "outputs" {
  assert {
    condition     = output.feed_uri == "gs://demo-project-duo-telephony/duo-telephony/"
    error_message = "The feed's form needs this URI with the closing slash."
  }
  assert {
    condition     = output.curl == "curl -X POST -H \"Authorization: Bearer $(gcloud auth print-identity-token --impersonate-service-account=duo-telephony-invoker@demo-project.iam.gserviceaccount.com --audiences=https://duo-telephony-collector-123456789012.us-central1.run.app --include-email)\" https://duo-telephony-collector-123456789012.us-central1.run.app/run"
    error_message = "The curl line has another audience, address or account."
  }
  assert {
    condition     = output.page == "go run ./cmd/server page -addr=127.0.0.1:8081 -url=https://duo-telephony-collector-123456789012.us-central1.run.app -account=duo-telephony-invoker@demo-project.iam.gserviceaccount.com"
    error_message = "The page's line has another audience or account."
  }
  assert {
    condition = alltrue([for content, stream in {
      (google_monitoring_alert_policy.no_complete_run.documentation[0].content) = "metric_or_resource.label.stream"
      (google_monitoring_alert_policy.lag.documentation[0].content)             = "log.extracted_label.stream"
      (google_monitoring_alert_policy.act.documentation[0].content)             = "log.extracted_label.stream"
      (google_monitoring_alert_policy.gap.documentation[0].content)             = "log.extracted_label.stream"
    } : strcontains(content, "\n${output.page}\n\nand open http://127.0.0.1:8081/?stream=$${${stream}}\n")])
    error_message = "An alert on a stream does not lead to it on the status page."
  }
  assert {
    condition = alltrue([for policy in [
      google_monitoring_alert_policy.service, google_monitoring_alert_policy.dead_letters, google_monitoring_alert_policy.refused,
    ] : strcontains(policy.documentation[0].content, "\n${output.page}\n\nand open http://127.0.0.1:8081/\n\nRead on: ")])
    error_message = "An alert that concerns no stream does not lead to the status page."
  }
  # A variable that has no value reads null.
  assert {
    condition     = strcontains(google_monitoring_alert_policy.act.conditions[0].condition_matched_log[0].filter, " AND jsonPayload.stream:* ")
    error_message = "An alert speaks of the stream null."
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.service.conditions[0].condition_matched_log[0].filter, " AND severity>=ERROR AND NOT jsonPayload.stream:*") && !strcontains(google_monitoring_alert_policy.service.documentation[0].content, "stream")
    error_message = "Nobody hears of an error that concerns no stream."
  }
  assert {
    condition     = output.build == "gcloud builds submit --project=demo-project --config=cloudbuild.yaml --gcs-source-staging-dir=gs://demo-project-duo-telephony-build/source --substitutions=_NAME=duo-telephony,_REGION=us-central1,_VERSION=$(git describe --always --dirty)"
    error_message = "The build has another source or other names."
  }
  assert {
    condition     = google_storage_bucket_iam_member.build.bucket == "demo-project-duo-telephony-build" && google_storage_bucket_iam_member.build.member == google_service_account.build.member
    error_message = "The build account can't read the source."
  }
  assert {
    condition     = output.egress_address == null && length(google_compute_network.egress) == 0
    error_message = "A network costs, and is not needed."
  }
}
