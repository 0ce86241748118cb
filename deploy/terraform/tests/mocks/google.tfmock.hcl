# What the tests need to know of what only the cloud can tell.

mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}

mock_data "google_storage_project_service_account" {
  defaults = {
    email_address = "service-123456789012@gs-project-accounts.iam.gserviceaccount.com"
  }
}

# Cloud Run's invoker check is on where nobody has switched it off.
mock_resource "google_cloud_run_v2_service" {
  defaults = {
    invoker_iam_disabled = false
  }
}

mock_resource "google_chronicle_feed" {
  defaults = {
    feed_service_account = "feed@secops.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.run
  values = {
    email  = "duo-telephony-run@demo-project.iam.gserviceaccount.com"
    member = "serviceAccount:duo-telephony-run@demo-project.iam.gserviceaccount.com"
    name   = "projects/demo-project/serviceAccounts/duo-telephony-run@demo-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.push
  values = {
    email  = "duo-telephony-push@demo-project.iam.gserviceaccount.com"
    member = "serviceAccount:duo-telephony-push@demo-project.iam.gserviceaccount.com"
    name   = "projects/demo-project/serviceAccounts/duo-telephony-push@demo-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.invoker
  values = {
    email  = "duo-telephony-invoker@demo-project.iam.gserviceaccount.com"
    member = "serviceAccount:duo-telephony-invoker@demo-project.iam.gserviceaccount.com"
    name   = "projects/demo-project/serviceAccounts/duo-telephony-invoker@demo-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.build
  values = {
    email  = "duo-telephony-build@demo-project.iam.gserviceaccount.com"
    member = "serviceAccount:duo-telephony-build@demo-project.iam.gserviceaccount.com"
    name   = "projects/demo-project/serviceAccounts/duo-telephony-build@demo-project.iam.gserviceaccount.com"
  }
}
