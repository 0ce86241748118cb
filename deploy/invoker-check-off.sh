#!/usr/bin/env bash
# invoker-check-off.sh SERVICE REGION: switches Cloud Run's invoker check off,
# and refuses to while a revision that can be reached relies on it. The check
# belongs to the service, AUTH_MODE to the revision: without it a revision with
# AUTH_MODE=cloudrun-iam lets everybody in who can write JSON.
set -euo pipefail
service=$1 region=$2

# Every revision that has traffic, or a tag and so an address of its own.
reachable=$(gcloud run services describe "$service" --region="$region" \
  --flatten='status.traffic[]' --format='value(status.traffic.revisionName)' | sort -u)
relying=()
for revision in $reachable; do
  mode=$(gcloud run revisions describe "$revision" --region="$region" \
    --format='value(spec.containers[0].env.filter("name=AUTH_MODE").extract("value").flatten())') ||
    { echo "Cloud Run's invoker check stays on: whether $revision relies on it is not known."; exit 1; }
  if [[ $mode == cloudrun-iam ]]; then
    relying+=("$revision")
  fi
done
if ((${#relying[@]} > 0)); then
  echo "Cloud Run's invoker check stays on: with traffic or a tag there is ${relying[*]}, whose AUTH_MODE=cloudrun-iam relies on it."
  echo "Send all traffic to a revision with AUTH_MODE=verify, take the tags off the others, and run this again:"
  echo "docs/operations.md, \"Who checks id tokens\""
  exit 1
fi
gcloud run services update "$service" --region="$region" --no-invoker-iam-check
