# Only with static_egress: the service reaches Duo from one address. What goes
# to Google's APIs stays inside.

resource "google_compute_network" "egress" {
  count = var.static_egress ? 1 : 0

  project                 = var.project
  name                    = var.name
  auto_create_subnetworks = false

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "egress" {
  count = var.static_egress ? 1 : 0

  project                  = var.project
  name                     = var.name
  region                   = var.region
  network                  = google_compute_network.egress[0].id
  ip_cidr_range            = "10.8.0.0/26" # the least that Cloud Run takes
  private_ip_google_access = true
}

resource "google_compute_address" "egress" {
  count = var.static_egress ? 1 : 0

  project = var.project
  name    = var.name
  region  = var.region

  depends_on = [google_project_service.this]
}

resource "google_compute_router" "egress" {
  count = var.static_egress ? 1 : 0

  project = var.project
  name    = var.name
  region  = var.region
  network = google_compute_network.egress[0].id
}

resource "google_compute_router_nat" "egress" {
  count = var.static_egress ? 1 : 0

  project                            = var.project
  name                               = var.name
  region                             = var.region
  router                             = google_compute_router.egress[0].name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.egress[0].self_link]
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}
