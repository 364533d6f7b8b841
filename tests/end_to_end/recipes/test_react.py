"""The React hook, bundled as its page says, in Strict Mode: messages, cuts, changes of the channel."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import blocks_of
from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes import npm
from tests.end_to_end.recipes.served import Recipe, wait_until_live
from tests.end_to_end.recipes.written import files_of
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import broadcast

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = in_chromium
PAGE = "react.md"
VITE = """
import { defineConfig } from "vite";
export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: {
    outDir: "../static",
    emptyOutDir: false,
    rollupOptions: { input: "main.tsx", output: { entryFileNames: "app.js" } },
  },
});
"""
SEVERAL = """
function Several() {
  const [isShown, show] = useState(true);
  return (
    <>
      <Room client={client} name="kitchen" />
      <button onClick={() => show(!isShown)}>Toggle</button>
      {isShown && <Room client={client} name="kitchen" />}
      <Room client={client} name="cellar" />
    </>
  );
}
"""
STRICT = ["--strict", "--noEmit", "--jsx", "react-jsx", "--module", "esnext", "--moduleResolution", "bundler"]


def told() -> list[list[str]]:
    """The lines that the page tells to type."""
    (block,) = blocks_of(f"recipes/{PAGE}", "sh")
    return [shlex.split(line) for line in block.text.splitlines()]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the app, with its packages."""
    folder = tmp_path_factory.mktemp("app") / "frontend"
    packages = [word for line in told()[:-1] for word in line[2:] if not word.startswith("--")]
    npm.install(folder, *packages, "vite")
    for name, text in files_of(f"recipes/{PAGE}"):
        if name.startswith("frontend/"):
            (folder / Path(name).name).write_text(text)
    (folder / "vite.config.js").write_text(VITE)
    return folder


def bundle(app: Path, bundler: str, entry: str = "main.tsx") -> str:
    """The text of a script."""
    words = {"esbuild": told()[-1][1:], "vite": ["vite", "build", "--logLevel=warn"]}[bundler]
    npm.run(app, *[word.replace("main.tsx", entry) for word in words])
    return (app.parent / "static" / "app.js").read_text()


def open_app(recipe: Recipe, script: str, name: str = "ada") -> Page:
    """The app, whose script is where the page has it written to."""
    served = recipe.folder / "static" / "app.js"
    served.parent.mkdir(exist_ok=True)
    served.write_text(script)
    page = recipe.enter(name)
    page.get_by_role("heading", name="kitchen").first.wait_for()
    return page


def expect(page: Page, *texts: str) -> None:
    page.wait_for_function(
        "expected => [...document.querySelectorAll('li')].map(item => item.textContent).join()"
        " === expected.join()",
        arg=list(texts),
    )


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()


def wait_for_status(page: Page, text: str) -> None:
    page.get_by_role("status").get_by_text(text, exact=True).wait_for()


def test_the_hook_and_the_app_have_right_types(app: Path) -> None:
    npm.run(app, "tsc", *STRICT, "--target", "es2022", "main.tsx")


@pytest.mark.parametrize("bundler", ["esbuild", "vite"])
def test_messages_come_once_and_in_order_over_a_cut(recipe: Recipe, app: Path, bundler: str) -> None:
    script = bundle(app, bundler)
    broadcast({"id": "1", "author": "bot", "text": "Earlier"}, channel="room_kitchen")
    ada, grace = open_app(recipe, script), open_app(recipe, script, "grace")
    say(ada, "Hello")
    for page in (ada, grace):
        expect(page, "bot: Earlier", "ada: Hello")

    assert recipe.cut_every_socket() == 2
    broadcast({"id": "2", "author": "bot", "text": "Meanwhile"}, channel="room_kitchen")
    say(grace, "During the cut")
    for page in (ada, grace):
        expect(page, "bot: Earlier", "ada: Hello", "bot: Meanwhile", "grace: During the cut")
        wait_for_status(page, "4 messages")


def test_a_channel_that_changes_is_left_and_the_other_one_is_joined(recipe: Recipe, app: Path) -> None:
    for name in ("kitchen", "garden"):
        broadcast({"id": name, "author": "bot", "text": f"In the {name}"}, channel=f"room_{name}")
    page = open_app(recipe, bundle(app, "esbuild"))
    expect(page, "bot: In the kitchen")

    page.get_by_role("button", name="garden").click()
    expect(page, "bot: In the garden")
    recipe.gateway.wait_until(lambda: not WebSocketSession.objects.in_channel("room_kitchen").exists())
    broadcast({"id": "x", "author": "bot", "text": "Where nobody is"}, channel="room_kitchen")
    say(page, "Here")
    expect(page, "bot: In the garden", "ada: Here")

    page.get_by_role("button", name="kitchen").click()
    expect(page, "bot: In the kitchen", "bot: Where nobody is")
    page.reload()
    wait_until_live(page)
    expect(page, "bot: In the kitchen", "bot: Where nobody is")


def test_two_components_share_a_channel_and_a_refusal_is_shown(recipe: Recipe, app: Path) -> None:
    main = (app / "main.tsx").read_text()
    (app / "several.tsx").write_text(main.replace("<App client={client} />", "<Several />") + SEVERAL)
    page = open_app(recipe, bundle(app, "esbuild", "several.tsx"))
    wait_for_status(page, "channel_denied")

    broadcast({"id": "1", "author": "bot", "text": "One"}, channel="room_kitchen")
    expect(page, "bot: One", "bot: One")
    page.get_by_role("button", name="Toggle").click()
    expect(page, "bot: One")
    broadcast({"id": "2", "author": "bot", "text": "Two"}, channel="room_kitchen")
    expect(page, "bot: One", "bot: Two")
    page.get_by_role("button", name="Toggle").click()
    expect(page, "bot: One", "bot: Two", "bot: One", "bot: Two")
