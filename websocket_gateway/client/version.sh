#!/usr/bin/env bash
# The package's version as npm spells it: 1.0.0rc1 is 1.0.0-rc.1, 1.0.0b2 is 1.0.0-beta.2. Or that of another one:
#
#     version.sh [VERSION]
set -euo pipefail
own=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$(dirname "$0")/../__init__.py")
sed -E 's/a([0-9]+)$/-alpha.\1/; s/b([0-9]+)$/-beta.\1/; s/rc([0-9]+)$/-rc.\1/' <<<"${1:-$own}"
