// node client.js SECURE PLAIN: ten connections to each of the servers SECURE (a
// list with commas), with requests on all at once, and without pause others to
// the servers PLAIN. Half of the connections are made before "ready" is printed,
// the others when a line has come.
const https = require("https"), http = require("http");
const [secure, plain] = process.argv.slice(2).map((s) => s.split(","));
let running = true;
const get = (m, agent, url) => new Promise((done, fail) =>
  m.get(url, {agent, rejectUnauthorized: false}, (r) => { r.resume(); r.on("end", done); }).on("error", fail));
const conns = secure.flatMap((u, s) => Array.from({length: 10}, (_, a) =>
  ({agent: new https.Agent({keepAlive: true, maxSockets: 1}), url: u + "/s" + s + "a" + a, early: a % 2 == 0})));
Promise.all(conns.filter((c) => c.early).map((c) => get(https, c.agent, c.url + "before"))).then(() => {
  console.log("ready");
  process.stdin.once("data", () => {
    const noise = plain.map(async (u, i) => {
      const agent = new http.Agent({keepAlive: true, maxSockets: 1});
      for (let n = 0; running; n++) await get(http, agent, u + "/plain" + i + "-" + n);
    });
    const work = conns.map(async (c) => { for (let n = 0; n < 8; n++) await get(https, c.agent, c.url + "n" + n); });
    Promise.all(work).then(() => { running = false; return Promise.all(noise); }).then(() => process.exit(0));
  });
});
