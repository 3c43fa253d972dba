"""Opens HAR files in the Network panel of Firefox, as its users do.

    python3 firefox.py FILE...

Each file gives one line of JSON: the error of the import and what the panel
has of each request. Firefox is driven by its Marionette protocol (a length, a
colon and a JSON list a message) in the context of the browser itself.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PREFERENCES = {
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}

OPEN = r"""
const [path, done] = [arguments[0], arguments[arguments.length - 1]];
(async () => {
  const {require} = ChromeUtils.importESModule("resource://devtools/shared/loader/Loader.sys.mjs");
  const {gDevTools} = require("devtools/client/framework/devtools");
  const browser = Services.wm.getMostRecentWindow("navigator:browser").gBrowser;
  const box = await gDevTools.showToolboxForTab(browser.selectedTab, {toolId: "netmonitor"});
  const {actions, store, windowRequire} = box.getCurrentPanel().panelWin;
  const {HarMenuUtils} = windowRequire("devtools/client/netmonitor/src/har/har-menu-utils");
  const text = new TextDecoder().decode(await IOUtils.read(path)); // as its readFile does
  let error = "";
  HarMenuUtils.appendPreview(text, actions, e => { error = e; });
  const bytes = c => c.encoding === "base64" ? c.text : btoa(String.fromCharCode(...new TextEncoder().encode(c.text ?? "")));
  return {error, rows: store.getState().requests.requests.map(r => ({
    method: r.method, url: r.url, status: Number(r.status), ms: r.totalTime, body: bytes(r.responseContent.content),
  }))};
})().then(done, e => done({error: `${e}\n${e.stack}`, rows: []}));
"""


class Marionette:
    def __init__(self, port, process):
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), 10)
                break
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"firefox-esr: exit {process.returncode}")
                time.sleep(0.1)
        self.socket.settimeout(None)
        self.receive()

    def receive(self):
        length = b""
        while not length.endswith(b":"):
            length += self.socket.recv(1)
        left, text = int(length[:-1]), b""
        while len(text) < left:
            text += self.socket.recv(left - len(text))
        return json.loads(text)

    def call(self, name, parameters):
        text = json.dumps([0, 1, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self.receive()
        if error:
            sys.exit(f"{name}: {error['error']}: {error['message']}")
        return result


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main(files):
    port, profile = free_port(), tempfile.mkdtemp(prefix="har-firefox-")
    with open(os.path.join(profile, "user.js"), "w") as f:
        for name, value in {**PREFERENCES, "marionette.port": port}.items():
            f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
    process = subprocess.Popen(
        ["firefox-esr", "-headless", "-marionette", "-remote-allow-system-access", "-no-remote", "-profile", profile, "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": profile})
    try:
        firefox = Marionette(port, process)
        firefox.call("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        firefox.call("Marionette:SetContext", {"value": "chrome"})
        firefox.call("WebDriver:SetTimeouts", {"script": 150000})
        for path in files:
            firefox.call("WebDriver:NewWindow", {"type": "tab", "focus": True})
            result = firefox.call("WebDriver:ExecuteAsyncScript", {"script": OPEN, "args": [os.path.abspath(path)]})["value"]
            print(json.dumps(result), flush=True)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)


main(sys.argv[1:])
