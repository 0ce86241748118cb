# One log, and several.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
}

# What keeps something, or is known by its name elsewhere, has the name that it
# had when telephony was all.
run "telephony" {
  assert {
    condition = [
      google_storage_bucket.objects.name, google_firestore_database.this.name, google_firestore_field.seen.collection,
      google_cloud_run_v2_service.this.name, google_cloud_scheduler_job.tick.name, google_pubsub_subscription.push.name,
      google_secret_manager_secret.skey.secret_id, google_artifact_registry_repository.images.repository_id,
      google_logging_metric.runs.name, google_logging_metric.lag.name, google_logging_metric.records.name, google_logging_metric.refused.name,
      ] == [
      "demo-project-duo-telephony", "duo-telephony", "duo-telephony-collector",
      "duo-telephony-collector", "duo-telephony-tick", "duo-telephony-push",
      "duo-telephony-skey", "duo-telephony",
      "duo_telephony_runs", "duo_telephony_lag", "duo_telephony_records", "duo_telephony_refused",
    ]
    error_message = "An upgrade would replace something."
  }
  assert {
    condition     = local.environment.DUO_LOGS == "telephony" && local.environment.GCS_PREFIX == "duo-telephony"
    error_message = "An image that knows only telephony would write elsewhere."
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].containers[0].resources[0].limits.memory == "256Mi"
    error_message = "The instance has another size."
  }
  assert {
    condition = output.feeds == {
      telephony = { uri = "gs://demo-project-duo-telephony/duo-telephony/", log_type = "DUO_TELEPHONY" }
    } && output.feed_uri == "gs://demo-project-duo-telephony/duo-telephony/"
    error_message = "The feed reads another folder, or as another log type."
  }
}

run "all" {
  variables {
    logs = ["all"]
  }
  assert {
    condition     = local.environment.DUO_LOGS == "activity,authentication,telephony,trust-monitor" && local.environment.GCS_PREFIX == "duo-{log}"
    error_message = "The service would collect others, or mix them in a folder."
  }
  assert {
    condition = output.feeds == {
      activity       = { uri = "gs://demo-project-duo-telephony/duo-activity/", log_type = "DUO_ACTIVITY" }
      authentication = { uri = "gs://demo-project-duo-telephony/duo-authentication/", log_type = "DUO_AUTH" }
      telephony      = { uri = "gs://demo-project-duo-telephony/duo-telephony/", log_type = "DUO_TELEPHONY" }
      trust-monitor  = { uri = "gs://demo-project-duo-telephony/duo-trust-monitor/", log_type = "DUO_TRUST_MONITOR" }
    } && output.feed_uri == null
    error_message = "A feed reads another folder, or as another log type."
  }
  assert {
    condition     = tonumber(trimsuffix(local.environment.GOMEMLIMIT, "MiB")) <= 0.9 * tonumber(trimsuffix(google_cloud_run_v2_service.this.template[0].containers[0].resources[0].limits.memory, "Mi"))
    error_message = "Go would fill the instance before it cleans up: what is not on its heap has no room."
  }
}

run "two" {
  variables {
    logs       = ["telephony", "trust-monitor"]
    gcs_prefix = "secops/{log}/raw"
  }
  assert {
    condition     = output.feeds["trust-monitor"].uri == "gs://demo-project-duo-telephony/secops/trust-monitor/raw/"
    error_message = "The log's name does not get into the folder."
  }
  assert {
    condition = alltrue([for m in [google_logging_metric.runs, google_logging_metric.lag, google_logging_metric.records] :
      contains(m.metric_descriptor[0].labels[*].key, "stream") && m.label_extractors["stream"] == "EXTRACT(jsonPayload.stream)"
    ])
    error_message = "A metric adds the streams up: a dead one would not show."
  }
  assert {
    condition = alltrue([for m in [google_logging_metric.runs, google_logging_metric.lag, google_logging_metric.records] :
      toset(m.metric_descriptor[0].labels[*].key) == toset(keys(m.label_extractors))
    ])
    error_message = "Cloud Logging wants an extractor for each label, and no other."
  }
  assert {
    condition = alltrue([for m in [google_logging_metric.runs, google_logging_metric.lag, google_logging_metric.records] :
      strcontains(m.filter, "jsonPayload.stream=~\"^(telephony|trust-monitor)$\" AND jsonPayload.dry_run=false")
    ])
    error_message = "A metric counts other lines: backfills, dry runs, or a log less."
  }
  # A stream that has no series, since it never ran, has a nought of its own.
  assert {
    condition     = google_monitoring_alert_policy.no_complete_run.conditions[0].condition_prometheus_query_language[0].query == "(sum by (stream) (increase(logging_googleapis_com:user_duo_telephony_runs{monitored_resource=\"cloud_run_revision\",outcome=\"complete\",stream=~\"telephony|trust-monitor\"}[30m])) or label_replace(vector(0), \"stream\", \"telephony\", \"\", \"\") or label_replace(vector(0), \"stream\", \"trust-monitor\", \"\", \"\")) < 0.5"
    error_message = "One dead stream would hide behind the others, or one that never reported."
  }
  assert {
    condition = alltrue([for p in [google_monitoring_alert_policy.act, google_monitoring_alert_policy.gap, google_monitoring_alert_policy.lag] :
      p.conditions[0].condition_matched_log[0].label_extractors["stream"] == "EXTRACT(jsonPayload.stream)" && strcontains(p.documentation[0].content, "$${log.extracted_label.stream}")
    ])
    error_message = "An alert of one stream would silence those of the others for an hour, or not name it."
  }
  assert {
    condition = alltrue([for title in ["Runs", "Lag", "Records"] : anytrue([for chart in local.charts :
      startswith(chart[0], title) && can(regex("sum by \\(stream\\b", chart[1]))
    ])])
    error_message = "A chart adds the streams up."
  }
}
