#!/usr/bin/env bash
# Asks Claude Code, Codex and Gemini CLI, unmodified, for an answer through a running product: each of them with a
# model of each vendor. Not part of `.ci/run`, for they are 700 MB.
#
#   tests/clients/agents.sh
#
# CLIENTS_DIR keeps what is installed for the next run; BINARIES names the folder of built binaries.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/clients
. tests/serve.sh
agents=${CLIENTS_DIR:-$work/clients}/agents

mkdir -p "$agents" "$work/home/.codex" "$work/home/.gemini" "$work/folder"
if ! cmp -s "$here/agents/package.json" "$agents/installed.json"; then
    cp "$here/agents/package.json" "$agents/"
    (cd "$agents" && npm install --silent --no-audit --no-fund && node node_modules/@anthropic-ai/claude-code/install.cjs)
    cp "$here/agents/package.json" "$agents/installed.json"
fi

start_product password-of-the-admin
python3 "$here/setup.py" "$app" "$fake" >"$work/env"
# shellcheck source=/dev/null
. "$work/env"
cat >"$work/home/.codex/config.toml" <<TOML
openai_base_url = "$app/v1"
TOML
echo '{"security":{"auth":{"selectedType":"gemini-api-key"}}}' >"$work/home/.gemini/settings.json"
export app KEY_ALL HOME=$work/home NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 IS_SANDBOX=1
export bin=$agents/node_modules/.bin
echo "$KEY_ALL" | "$bin/codex" login --with-api-key >/dev/null 2>&1

claude_code() {
    ANTHROPIC_BASE_URL=$app ANTHROPIC_AUTH_TOKEN=$KEY_ALL CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
        "$bin/claude" -p "Say hello." --model "$1"
}
codex() { "$bin/codex" exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox -m "$1" "Say hello."; }
gemini_cli() {
    GEMINI_API_KEY=$KEY_ALL GOOGLE_GEMINI_BASE_URL=$app GEMINI_CLI_TRUST_WORKSPACE=true \
        "$bin/gemini" -m "$1" -y -p "Say hello."
}

cd "$work/folder"
status=0
for agent in claude_code codex gemini_cli; do
    for model in claude-sonnet-4-5 gpt-4o gemini-2.5-flash; do
        said=$(timeout 120 bash -c "$(declare -f "$agent"); $agent $model" </dev/null 2>&1) || true
        # The fakes call one of the agent's tools with made-up arguments, and then repeat what it gave.
        if [[ $said == *"The tool said:"* ]]; then
            printf 'ok    %-12s %s\n' "$agent" "$model"
        else
            printf 'FAIL  %-12s %s\n%s\n' "$agent" "$model" "$(tail -n 5 <<<"$said")"
            status=1
        fi
    done
done
exit "$status"
