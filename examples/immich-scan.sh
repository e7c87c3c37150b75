#!/usr/bin/env bash
# Have Immich scan an external library, but only while all of its storage is there and no loss waits for a person.
# For a timer, in the place of Immich's own schedule; see docs/migrating-from-immich.md.
#
#   HOLDFAST_LIBRARY=lib_… IMMICH_LIBRARY=… IMMICH_URL=http://127.0.0.1:2283 \
#   HOLDFAST_TOKEN_FILE=… IMMICH_KEY_FILE=… immich-scan.sh
#
# Exit status: 0 Immich scans; 75 not now, and why on standard error; another one when somebody does not answer.
set -euo pipefail

holdfast=${HOLDFAST_URL:-http://127.0.0.1:8765}/api/v1
library=$HOLDFAST_LIBRARY

# Tokens go into curl by a file descriptor: a command line is for everybody to see.
ask_holdfast() {
  curl --silent --show-error --fail -H @<(printf 'Authorization: Bearer %s\n' "$(< "$HOLDFAST_TOKEN_FILE")") "$holdfast$1"
}

not_now() {
  echo "Immich does not scan now: $1" >&2
  exit 75
}

counts=$(ask_holdfast "/libraries/$library/statistics")
away=$(jq '.by_availability | .unavailable + .unknown' <<< "$counts")
((away == 0)) || not_now "the storage of $away photos is not known to be there"
(($(jq '.by_status.present // 0' <<< "$counts") > 0)) || not_now 'there is no photo at all'
holds=$(ask_holdfast "/holds?state=open" | jq ".items | length")
((holds == 0)) || not_now 'more is gone than may be believed; see: holdfast-sidecar holds list'

curl --silent --show-error --fail --request POST -H @<(printf 'x-api-key: %s\n' "$(< "$IMMICH_KEY_FILE")") \
  "$IMMICH_URL/api/libraries/$IMMICH_LIBRARY/scan"
