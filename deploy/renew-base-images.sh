#!/usr/bin/env bash
# Asks the registries which digests the tags of the pinned images have today, and
# writes them into Dockerfile and cloudbuild.yaml. It needs Go, and no container
# engine. If one registry does not answer, both files stay as they are.
#
#   bash deploy/renew-base-images.sh && git diff
set -euo pipefail
cd "$(dirname "$0")/.."

images=$(grep -ohE '[^ ]+@sha256:[0-9a-f]{64}' Dockerfile cloudbuild.yaml | sort -u)
edits=()
for image in $images; do
	tag=${image%@*}
	digest=$(go run github.com/google/go-containerregistry/cmd/crane@v0.22.1 digest "$tag")
	[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { printf 'the digest of %s is no digest: %s\n' "$tag" "$digest" >&2; exit 1; }
	edits+=(-e "s|$tag@sha256:[0-9a-f]*|$tag@$digest|")
	printf '%s is %s\n' "$tag" "$digest"
done
sed -i.old "${edits[@]}" Dockerfile cloudbuild.yaml
rm Dockerfile.old cloudbuild.yaml.old
