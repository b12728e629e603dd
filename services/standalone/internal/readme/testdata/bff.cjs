// Runs the page's part of examples/nextjs-bff against its route handlers, which run against the server that
// REELMILL_URL names: node bff.cjs COMPILED_EXAMPLE VIDEO
// Browsers and Node.js 20 have it; Debian 12's Node.js 18 does not.
globalThis.crypto ??= require('node:crypto').webcrypto;
const fs = require("node:fs");
const path = require("node:path");
const { File } = require("node:buffer");

const [example, video] = process.argv.slice(2);
let id; // of the job, as the page's requests name it
const route = (file) => require(path.join(example, "app/api/videos", file));

// A page fetches paths of its own origin; everything else goes out as it is.
const outside = globalThis.fetch;
globalThis.fetch = async (url, init = {}) => {
  if (!url.startsWith("/")) return outside(url, init);
  const [, named, complete] = url.match(/^\/api\/videos(?:\/([^/]+))?(\/complete)?$/);
  id = named;
  const handlers = id ? (complete ? route("[id]/complete/route.js") : route("[id]/route.js")) : route("route.js");
  return handlers[init.method ?? "GET"](new Request(`http://page.test${url}`, init), { params: Promise.resolve({ id }) });
};

(async () => {
  const { processVideo } = require(path.join(example, "upload.js"));
  const seen = new Set();
  const file = new File([fs.readFileSync(video)], path.basename(video), { type: "video/mp4" });
  const end = await processVideo(file, (p) => seen.add(p.state));
  if (end.state !== "completed" || !seen.has("completed")) throw new Error(`the job ended ${JSON.stringify(end)}`);
  for (const p of end.pictures) {
    const got = await outside(p.url);
    if (!got.ok) throw new Error(`${p.path}: status ${got.status}`);
  }

  // What players ask for: cues and playlists come as they are, everything else is a redirect to object storage.
  const serve = (name) => route("[id]/files/[...path]/route.js").GET(new Request("http://page.test/"), { params: Promise.resolve({ id, path: ["thumbnails", name] }) });
  const cues = await serve("storyboard.vtt");
  if (cues.headers.get("Content-Type") !== "text/vtt" || !(await cues.text()).startsWith("WEBVTT")) throw new Error(`cues: status ${cues.status}`);
  const poster = await serve("poster.jpg");
  const stored = await outside(poster.headers.get("Location"));
  if (poster.status !== 302 || stored.headers.get("Content-Type") !== "image/jpeg") throw new Error(`poster: status ${poster.status}, then ${stored.status}`);
  console.log(`${end.pictures.length} pictures`);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
