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
      s.topic == google_pubsub_topic.feed[log].id && s.name == "duo-telephony-feed-${log}" && s.expiration_policy[0].ttl == "" && length(s.push_config) == 0
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

run "each_account" {
  variables {
    accounts      = "children"
    gcs_prefix    = "msp/{account}/duo-{log}"
    feed_accounts = ["api-0a1b2c3d.duosecurity.com", "api-4e5f6a7b.duosecurity.com"]
  }
  assert {
    condition     = local.environment.GCS_PREFIX == "msp/{account}/duo-{log}"
    error_message = "The service would write elsewhere than the feeds read."
  }
  assert {
    condition = { for key, feed in google_chronicle_feed.this : key => [
      feed.details[0].google_cloud_storage_event_driven_settings[0].bucket_uri, basename(feed.details[0].log_type), feed.details[0].labels["duo_account"], feed.display_name,
      ] } == {
      "authentication@api-0a1b2c3d.duosecurity.com" = ["gs://demo-project-duo-telephony/msp/api-0a1b2c3d.duosecurity.com/duo-authentication/", "DUO_AUTH", "api-0a1b2c3d.duosecurity.com", "duo-telephony-collector-authentication-api-0a1b2c3d.duosecurity.com"]
      "authentication@api-4e5f6a7b.duosecurity.com" = ["gs://demo-project-duo-telephony/msp/api-4e5f6a7b.duosecurity.com/duo-authentication/", "DUO_AUTH", "api-4e5f6a7b.duosecurity.com", "duo-telephony-collector-authentication-api-4e5f6a7b.duosecurity.com"]
      "telephony@api-0a1b2c3d.duosecurity.com"      = ["gs://demo-project-duo-telephony/msp/api-0a1b2c3d.duosecurity.com/duo-telephony/", "DUO_TELEPHONY", "api-0a1b2c3d.duosecurity.com", "duo-telephony-collector-telephony-api-0a1b2c3d.duosecurity.com"]
      "telephony@api-4e5f6a7b.duosecurity.com"      = ["gs://demo-project-duo-telephony/msp/api-4e5f6a7b.duosecurity.com/duo-telephony/", "DUO_TELEPHONY", "api-4e5f6a7b.duosecurity.com", "duo-telephony-collector-telephony-api-4e5f6a7b.duosecurity.com"]
    }
    error_message = "A feed is missing, reads another folder, or calls the account by another name."
  }
  assert {
    condition = { for key, feed in output.feeds : key => feed.uri } == { for key, feed in google_chronicle_feed.this :
      key => feed.details[0].google_cloud_storage_event_driven_settings[0].bucket_uri
    } && output.feed_uri == null
    error_message = "The output lists other feeds than there are."
  }
  # Cloud Storage takes 10 notifications of new objects on a bucket.
  assert {
    condition = keys(google_storage_notification.feed) == ["accounts"] && google_storage_notification.feed["accounts"].object_name_prefix == "msp/" && alltrue([
      for m in google_pubsub_topic_iam_member.feed : m.topic == google_pubsub_topic.feed["accounts"].id
    ]) && google_storage_notification.feed["accounts"].topic == google_pubsub_topic.feed["accounts"].id && google_pubsub_topic.feed["accounts"].name == "duo-telephony-feed-accounts"
    error_message = "The one topic is not told of all accounts' objects."
  }
  assert {
    condition = alltrue([for key, s in google_pubsub_subscription.feed :
      "gs://demo-project-duo-telephony/${regex("^hasPrefix\\(attributes\\.objectId, \"(.+/)\"\\)$", s.filter)[0]}" == output.feeds[key].uri && s.topic == google_pubsub_topic.feed["accounts"].id
      && can(regex("^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$", s.name)) && google_chronicle_feed.this[key].details[0].google_cloud_storage_event_driven_settings[0].pubsub_subscription == s.id
    ]) && length(distinct(values(google_pubsub_subscription.feed)[*].name)) == 4
    error_message = "A subscription has an illegal name, or does not tell its feed of its folder alone."
  }
  # A filter can't be changed: with another prefix the new subscription is made before
  # the old one goes, and two of one name can't be.
  assert {
    condition     = google_pubsub_subscription.feed["telephony@api-0a1b2c3d.duosecurity.com"].name == "duo-telephony-feed-telephony-api-0a1b2c3d.duosecurity.com-${substr(sha1("msp/api-0a1b2c3d.duosecurity.com/duo-telephony/"), 0, 8)}"
    error_message = "A subscription's name does not change with its filter."
  }
  assert {
    condition     = length(google_pubsub_subscription_iam_member.feed) == 8
    error_message = "SecOps could not read a subscription."
  }
}

run "each_account_polling" {
  variables {
    accounts      = "children"
    logs          = ["telephony"]
    gcs_prefix    = "{account}"
    feed_accounts = ["api-0a1b2c3d.duosecurity.com", "api-4e5f6a7b.duosecurity.com"]
    secops        = { project = "secops-project", location = "us", instance = "00000000-0000-4000-8000-000000000000", event_driven = false }
  }
  assert {
    condition = toset([for f in google_chronicle_feed.this : f.details[0].gcs_v2_settings[0].bucket_uri]) == toset([
      "gs://demo-project-duo-telephony/api-0a1b2c3d.duosecurity.com/", "gs://demo-project-duo-telephony/api-4e5f6a7b.duosecurity.com/",
    ]) && length(google_storage_notification.feed) + length(google_pubsub_topic.feed) + length(google_pubsub_subscription.feed) == 0
    error_message = "The feeds do not look at their folders alone."
  }
}

run "accounts_that_are_not_listed" {
  variables {
    accounts   = "children"
    logs       = ["telephony"]
    gcs_prefix = "{account}/duo-{log}"
    secops     = null
  }
  assert {
    condition     = output.feeds["telephony"].uri == "gs://demo-project-duo-telephony/{account}/duo-telephony/" && local.environment.GCS_PREFIX == "{account}/duo-telephony"
    error_message = "The output does not say what feeds by hand read."
  }
}

run "own_account_in_the_prefix" {
  variables {
    logs       = ["telephony"]
    gcs_prefix = "{account}/duo-{log}"
  }
  assert {
    condition     = google_chronicle_feed.this["telephony"].details[0].google_cloud_storage_event_driven_settings[0].bucket_uri == "gs://demo-project-duo-telephony/api-12345678.duosecurity.com/duo-telephony/"
    error_message = "The feed reads another folder than the service writes to."
  }
  assert {
    condition     = google_storage_notification.feed["telephony"].object_name_prefix == "api-12345678.duosecurity.com/duo-telephony/" && google_pubsub_subscription.feed["telephony"].topic == google_pubsub_topic.feed["telephony"].id
    error_message = "The topic is told of other objects than the feed's."
  }
}

run "another_account" {
  variables {
    feed_account = "old@secops.iam.gserviceaccount.com"
  }
  expect_failures = [check.feed_account]
}
