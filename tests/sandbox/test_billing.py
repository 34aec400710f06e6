"""What a platform token reads at the sandbox: balances and charges."""

import pytest


def get(sandbox, path, token):
    return sandbox.http.get(path, headers={"authorization": f"Bearer {token}"} if token else {})


@pytest.mark.parametrize("path", ["/api/v1/applications/", "/api/v1/usage/apis/"])
def test_platform_tokens_read_billing_and_other_tokens_use_the_api(sandbox, path):
    for token in ("sandbox", "wrong", "platform-"):
        assert get(sandbox, path, token).json()["error"]["code"] == "invalid_token"
        assert get(sandbox, path, token).status_code == 401
    assert get(sandbox, path, "").json()["error"]["code"] == "no_token"
    assert get(sandbox, path, "platform-sandbox").status_code == 200
    assert sandbox.post("/luma/videos", {"prompt": "x"}, "platform-sandbox").status_code == 401


def test_only_success_is_charged_and_the_balance_shrinks(sandbox):
    def balance():
        (item,) = get(sandbox, "/api/v1/applications/", "platform-payer").json()["items"]
        return item["remaining_amount"], item["used_amount"]

    before, spent = balance()
    assert spent == 0
    good, bad = (sandbox.submit(prompt, "sandbox-payer") for prompt in ("a lake", "[fail]"))
    for task_id in (good, bad):
        sandbox.wait_for_task(task_id, "sandbox-payer")
    usage = get(sandbox, "/api/v1/usage/apis/", "platform-sandbox-payer").json()
    charged = {item["trace_id"]: item["deducted_amount"] for item in usage["items"]}
    traces = [sandbox.task(task_id, "sandbox-payer")["trace_id"] for task_id in (good, bad)]
    assert usage["count"] == 2 and list(charged) == traces[::-1]
    assert charged[traces[0]] > 0 == charged[traces[1]]
    after, spent = balance()
    assert spent == charged[traces[0]] == pytest.approx(before - after)
    one = get(sandbox, f"/api/v1/usage/apis/?trace_id={traces[0]}&limit=5", "platform-payer").json()
    assert one["count"] == 1 and one["items"][0]["deducted_amount"] == charged[traces[0]]
    assert get(sandbox, "/api/v1/usage/apis/?limit=1&offset=1", "platform-payer").json()["items"][0] == one["items"][0]
    assert get(sandbox, "/api/v1/usage/apis/?limit=x", "platform-payer").status_code == 400


def test_an_account_that_is_used_up_has_no_balance(sandbox):
    (item,) = get(sandbox, "/api/v1/applications/", "platform-used-up").json()["items"]
    assert item["remaining_amount"] == 0
