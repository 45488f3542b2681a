#!/usr/bin/env bash
# Tags this commit as the Go module's version, which is all that publishing a Go module takes. Does nothing when that version has its tag.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=$(sed -nE 's/^const Version = "([0-9]+\.[0-9]+\.[0-9]+[-0-9A-Za-z.]*)"$/\1/p' sdks/go/*.go)
if [ -z "$version" ]; then
  echo 'sdks/go has no line: const Version = "X.Y.Z"' >&2
  exit 1
fi
if ! grep -qE "^## \[?v?${version//./\\.}\b" sdks/go/CHANGELOG.md; then
  echo "sdks/go/CHANGELOG.md does not tell what is in $version." >&2
  exit 1
fi

tag=sdks/go/v$version
if [ -n "$(git ls-remote --tags origin "refs/tags/$tag")" ]; then
  echo "$tag is there already."
  exit 0
fi
git tag "$tag"
git push origin "refs/tags/$tag"
