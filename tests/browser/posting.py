"""Submit a form as a browser without JavaScript does."""

from playwright.sync_api import Page

# No handler of the page runs.
POST = """([path, fields]) => {
    const form = Object.assign(document.createElement("form"), {method: "post", action: path});
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    for (const [name, value] of Object.entries({csrfmiddlewaretoken: token, ...fields})) {
        form.append(Object.assign(document.createElement("input"), {type: "hidden", name, value}));
    }
    document.body.append(form);
    form.submit();
}"""


def post(page: Page, path: str, **fields: str) -> int:
    """Submit a form that leaves the page, and return the status of the next page."""
    with page.expect_navigation() as navigation:
        page.evaluate(POST, [path, fields])
    return navigation.value.status
