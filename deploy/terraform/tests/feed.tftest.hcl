# SecOps feeds.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project      = "demo-project"
  duo_ikey     = "DIXXXXXXXXXXXXXXXXXX"
  duo_api_host = "api-12345678.duosecurity.com"
  logs         = ["telephony", "authentication"]
  feed_account = "feed@secops.iam.gserviceaccount.com"
  secops       = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000" }
}

# Only what the feed depends on is made here, and so before it. Where one of these
# is not, Terraform 1.11 crashes over its name.
run "order" {
  plan_options {
    target = [google_chronicle_feed.this]
  }
  assert {
    condition     = toset([for m in google_storage_bucket_iam_member.feed : m.role]) == toset(["roles/storage.objectViewer", "roles/storage.legacyBucketReader"])
    error_message = "SecOps could not read the bucket yet."
  }
  assert {
    condition     = length(google_storage_notification.feed) == 2 && length(google_pubsub_topic_iam_member.feed) == 2
    error_message = "The bucket could not tell of its objects yet."
  }
  assert {
    condition     = length(google_pubsub_subscription_iam_member.feed) == 4 && alltrue([for s in google_pubsub_subscription_iam_member.feed : s.member == "serviceAccount:feed@secops.iam.gserviceaccount.com"])
    error_message = "SecOps could not read the subscription yet."
  }
}

run "event_driven" {
  assert {
    condition = { for log, feed in google_chronicle_feed.this : log => feed.details[0].log_type } == {
      authentication = "projects/secops-project/locations/us/instances/00000000-0000-4000-8000-000000000000/logTypes/DUO_AUTH"
      telephony      = "projects/secops-project/locations/us/instances/00000000-0000-4000-8000-000000000000/logTypes/DUO_TELEPHONY"
    }
    error_message = "A feed would parse its log as another."
  }
  assert {
    condition     = alltrue([for f in google_chronicle_feed.this : f.project == "secops-project" && f.location == "us" && f.instance == "00000000-0000-4000-8000-000000000000" && f.enabled])
    error_message = "The feed is in another instance, or off."
  }
  assert {
    condition = { for log, feed in google_chronicle_feed.this : log => feed.details[0].google_cloud_storage_event_driven_settings[0].bucket_uri } == {
      authentication = "gs://demo-project-duo-telephony/duo-authentication/"
      telephony      = "gs://demo-project-duo-telephony/duo-telephony/"
    }
    error_message = "A feed reads another folder, or lacks the closing slash."
  }
  assert {
    condition = alltrue([for log, feed in google_chronicle_feed.this :
      feed.details[0].feed_source_type == "GOOGLE_CLOUD_STORAGE_EVENT_DRIVEN" && length(feed.details[0].gcs_v2_settings) == 0
      && feed.details[0].google_cloud_storage_event_driven_settings[0].pubsub_subscription == google_pubsub_subscription.feed[log].id
    ])
    error_message = "A feed does not listen to its own subscription."
  }
  assert {
    condition     = alltrue([for f in google_chronicle_feed.this : f.details[0].google_cloud_storage_event_driven_settings[0].source_deletion_option == "NEVER"])
    error_message = "A feed that deletes weakens a promise."
  }
  assert {
    condition = alltrue([for log, n in google_storage_notification.feed :
      n.object_name_prefix == "duo-${log}/" && n.topic == google_pubsub_topic.feed[log].id && n.event_types == toset(["OBJECT_FINALIZE"]) && n.bucket == "demo-project-duo-telephony"
    ])
    error_message = "The topic is told of other objects than the feed's."
  }
  assert {
    condition = alltrue([for log, s in google_pubsub_subscription.feed :
      s.topic == google_pubsub_topic.feed[log].id && s.expiration_policy[0].ttl == "" && length(s.push_config) == 0
    ])
    error_message = "SecOps pulls from a subscription of the topic, which must not end by itself."
  }
  assert {
    condition = alltrue([for log, m in google_pubsub_topic_iam_member.feed :
      m.topic == google_pubsub_topic.feed[log].id && m.role == "roles/pubsub.publisher" && m.member == "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com"
    ])
    error_message = "Cloud Storage's agent may not tell the topic."
  }
  assert {
    condition = { for m in google_pubsub_subscription_iam_member.feed : "${m.subscription} ${m.role}" => m.member } == { for pair in setproduct(values(google_pubsub_subscription.feed)[*].id, ["roles/pubsub.subscriber", "roles/pubsub.viewer"]) :
      "${pair[0]} ${pair[1]}" => "serviceAccount:feed@secops.iam.gserviceaccount.com"
    }
    error_message = "SecOps needs these two roles on each subscription, and nobody else any."
  }
}

run "polling" {
  variables {
    secops = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000", event_driven = false }
  }
  assert {
    condition = alltrue([for log, feed in google_chronicle_feed.this :
      feed.details[0].feed_source_type == "GOOGLE_CLOUD_STORAGE_V2" && feed.details[0].gcs_v2_settings[0].bucket_uri == "gs://demo-project-duo-telephony/duo-${log}/"
      && feed.details[0].gcs_v2_settings[0].source_deletion_option == "NEVER" && length(feed.details[0].google_cloud_storage_event_driven_settings) == 0
    ])
    error_message = "The feed does not look at its folder."
  }
  assert {
    condition     = length(google_storage_notification.feed) + length(google_pubsub_topic.feed) + length(google_pubsub_subscription.feed) == 0
    error_message = "Nobody reads these notifications."
  }
}

run "deleting" {
  variables {
    secops = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000", delete_after_transfer = true }
  }
  assert {
    condition     = alltrue([for f in google_chronicle_feed.this : f.details[0].google_cloud_storage_event_driven_settings[0].source_deletion_option == "ON_SUCCESS"])
    error_message = "The feed does not delete."
  }
  assert {
    condition     = toset([for m in google_storage_bucket_iam_member.feed : m.role]) == toset(["roles/storage.objectViewer", "roles/storage.legacyBucketWriter"])
    error_message = "The feed may not delete."
  }
}

run "root_of_the_bucket" {
  variables {
    logs       = ["telephony"]
    gcs_prefix = ""
  }
  assert {
    condition     = google_chronicle_feed.this["telephony"].details[0].google_cloud_storage_event_driven_settings[0].bucket_uri == "gs://demo-project-duo-telephony/"
    error_message = "The feed reads another folder."
  }
}

run "another_account" {
  variables {
    feed_account = "old@secops.iam.gserviceaccount.com"
  }
  expect_failures = [check.feed_account]
}
