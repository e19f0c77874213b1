// What a web page can try against servers that it does not come from: to read answers, and to change something, by every
// way that a browser has. tests/it/access/browser.rs serves it and gives it SETTINGS:
//
//   servers  [{ url, token }]; the token is a valid one, or empty
//   routes   [[method, path, body]] of each server
//   script   the URL of this file
//   report   where to tell what could be read
//   frames   URLs of pages that try the same as a part of this one
//   nests    whether to try it again in documents without an origin (see `withoutOrigin`)
//   inner    whether this document is one of them, which leaves out what does not depend on its origin
//
// A document reports { origin, tried, found }: each entry of `found` is something that it could read, { how, url, text },
// and `status` where it learned one.
"use strict";

const found = [];
let tried = 0;

// What a browser refuses is an error, and no error is a failure here.
async function attempt(how, url, act) {
  tried += 1;
  try {
    const read = await act();
    if (read) found.push({ how, url, ...read, text: String(read.text).slice(0, 2000) });
  } catch {
    // nothing was read
  }
}

// Runs jobs, some at a time.
async function all(jobs) {
  let next = 0;
  const work = async () => {
    while (next < jobs.length) await jobs[next++]();
  };
  await Promise.all(Array.from({ length: 12 }, work));
}

// Some ways give no sign of their end in some cases: nobody waits for those for ever.
const settled = (start) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, 4000);
    start((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });

const FORMS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];
const isRead = (method) => method === "GET";

// ---- scripts

async function send(url, options) {
  const answer = await fetch(url, { cache: "no-store", ...options });
  const text = await answer.text();
  // an opaque answer has neither
  return answer.status || text ? { status: answer.status, text } : null;
}

function fetches(server, [method, path, body]) {
  const url = server.url + path;
  const content = isRead(method) ? {} : { body };
  const json = isRead(method) ? {} : { "Content-Type": "application/json" };
  const ways = [["fetch with credentials", { ...content, headers: json, credentials: "include" }]];
  if (!SETTINGS.inner) {
    ways.push(["fetch", { ...content }]);
    ways.push(["fetch without a referrer", { ...content, headers: json, referrerPolicy: "no-referrer", keepalive: true }]);
    ways.push(["fetch as same-origin", { ...content, headers: json, mode: "same-origin" }]);
  }
  if (server.token) {
    ways.push(["fetch with X-Auth-Token", { ...content, headers: { ...json, "X-Auth-Token": server.token } }]);
    ways.push(["fetch with Bearer", { ...content, headers: { ...json, Authorization: `Bearer ${server.token}` } }]);
  }
  if (isRead(method) && !SETTINGS.inner) {
    ways.push(["HEAD", { method: "HEAD" }]);
    for (const credentials of ["omit", "include"]) ways.push(["no-cors", { mode: "no-cors", credentials }]);
  }
  if (method === "POST") {
    const plain = { mode: "no-cors", credentials: "include" };
    for (const type of FORMS) ways.push([`no-cors ${type}`, { ...plain, body, headers: { "Content-Type": type } }]);
    ways.push(["no-cors without a type", { ...plain, body: new Blob([body]), referrerPolicy: "no-referrer" }]);
    if (!SETTINGS.inner) for (const type of FORMS) ways.push([`fetch ${type}`, { body, headers: { "Content-Type": type } }]);
  }
  return ways.map(([how, options]) => () => attempt(how, url, () => send(url, { method, ...options })));
}

function request(server, [method, path, body]) {
  const url = server.url + path;
  return () =>
    attempt("XMLHttpRequest", url, () =>
      settled((end) => {
        const request = new XMLHttpRequest();
        request.open(method, url);
        request.withCredentials = true;
        if (!isRead(method)) request.setRequestHeader("Content-Type", "application/json");
        if (server.token) request.setRequestHeader("X-Auth-Token", server.token);
        request.onload = () => end({ status: request.status, text: request.responseText });
        request.onerror = () => end(null);
        request.send(isRead(method) ? null : body);
      }),
    );
}

function beacons(server, [, path, body]) {
  const url = server.url + path;
  const types = [...FORMS, "application/json"];
  return types.map((type) => () => attempt("beacon", url, () => void navigator.sendBeacon(url, new Blob([body], { type }))));
}

function streams(server, path) {
  const url = server.url + path;
  return [
    () =>
      attempt("EventSource", url, () =>
        settled((end) => {
          const source = new EventSource(url, { withCredentials: true });
          source.onopen = () => end({ text: "open" });
          source.onerror = () => source.close() ?? end(null);
        }),
      ),
    () =>
      attempt("WebSocket", url, () =>
        settled((end) => {
          const socket = new WebSocket(url.replace("http", "ws"));
          socket.onopen = () => end({ text: "open" });
          socket.onclose = () => end(null);
        }),
      ),
    () => attempt("import", url, async () => ({ text: Object.keys(await import(url)) })),
    () =>
      attempt("service worker", url, async () => {
        if (await navigator.serviceWorker.register(url)) return { text: "registered" };
      }),
    () => attempt("worker", url, () => inWorker(url)),
  ];
}

// In a worker of its own, by a script that belongs to the page.
function inWorker(url) {
  const code = `onmessage = async () => {
    let text = "";
    try { importScripts(${JSON.stringify(url)}); text = "script"; } catch {}
    try { text += await (await fetch(${JSON.stringify(url)})).text(); } catch {}
    postMessage(text);
  }`;
  return settled((end) => {
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    worker.onmessage = ({ data }) => worker.terminate() ?? end(data ? { text: data } : null);
    worker.onerror = () => end(null);
    worker.postMessage("");
  });
}

// ---- elements

const ELEMENTS = [
  ["img", "src", {}],
  ["img", "src", { crossOrigin: "use-credentials" }],
  ["script", "src", {}],
  ["script", "src", { type: "module" }],
  ["link", "href", { rel: "stylesheet" }],
  ["audio", "src", {}],
  ["video", "src", {}],
  ["iframe", "src", {}],
  ["object", "data", {}],
  ["embed", "src", {}],
];
const FRAMES = ["iframe", "object", "embed"];

// The text of a document in an element, which only a page of the same origin sees.
function textOf(element) {
  const inner = element.contentDocument ?? element.getSVGDocument?.();
  return inner?.documentElement?.textContent ? { text: inner.documentElement.textContent } : null;
}

function elements(server, path) {
  const plain = server.url + path;
  // a frame whose URL has a password is blocked without a sign
  const withPassword = plain.replace("://", "://user:password@");
  return ELEMENTS.flatMap(([tag, attribute, more]) =>
    (FRAMES.includes(tag) ? [plain] : [plain, withPassword]).map((url) => () =>
      attempt(tag, url, () =>
        settled((end) => {
          const element = Object.assign(document.createElement(tag), more, { [attribute]: url });
          const done = (value) => {
            element.remove();
            end(value);
          };
          element.onload = element.onloadeddata = () => done(FRAMES.includes(tag) ? textOf(element) : { text: "loaded" });
          element.onerror = () => done(null);
          document.body.append(element);
        }),
      ),
    ),
  );
}

function popup(server, path) {
  const url = server.url + path;
  return () =>
    attempt("window", url, () =>
      settled((end) => {
        const opened = window.open(url);
        const look = () => {
          try {
            if (opened.location.href === "about:blank" || opened.document.readyState !== "complete") {
              return void setTimeout(look, 20);
            }
            end({ text: opened.document.documentElement.textContent });
          } catch {
            end(null);
          }
          opened?.close();
        };
        look();
      }),
    );
}

// Forms that are sent into frames. As text/plain, `name=value` is the body: the text of JSON, with the `=` in a string.
function forms(server, [, path, body], types) {
  const url = server.url + path;
  const at = body.lastIndexOf('"', body.lastIndexOf('"') - 1) + 1;
  return types.map((type) => () =>
    attempt("form", url, () =>
      settled((end) => {
        const frame = document.createElement("iframe");
        frame.name = `frame${Math.random()}`;
        document.body.append(frame);
        const form = document.createElement("form");
        Object.assign(form, { action: url, method: "POST", enctype: type.split(";")[0], target: frame.name });
        form.append(Object.assign(document.createElement("input"), { name: body.slice(0, at), value: body.slice(at) }));
        document.body.append(form);
        frame.onload = () => {
          const read = textOf(frame);
          frame.remove();
          form.remove();
          end(read);
        };
        form.submit();
      }),
    ),
  );
}

// ---- documents

// A document that has no origin: in a sandbox, and from a data: URL. What it sends has `Origin: null`.
function withoutOrigin() {
  const settings = JSON.stringify({ ...SETTINGS, nests: false, inner: true, frames: [] }).replaceAll("<", "\\u003c");
  const page = `<!DOCTYPE html><body><script>const SETTINGS = ${settings};</script><script src="${SETTINGS.script}"></script>`;
  const sandboxed = document.createElement("iframe");
  sandboxed.sandbox = "allow-scripts allow-forms allow-popups";
  sandboxed.srcdoc = page;
  const data = document.createElement("iframe");
  data.src = `data:text/html,${encodeURIComponent(page)}`;
  document.body.append(sandboxed, data);
}

function framed(url) {
  document.body.append(Object.assign(document.createElement("iframe"), { src: url }));
}

async function main() {
  for (const server of SETTINGS.servers) {
    const reads = SETTINGS.routes.filter(([method]) => isRead(method));
    const posts = SETTINGS.routes.filter(([method]) => method === "POST");
    const changes = SETTINGS.routes.filter(([method]) => !isRead(method));
    const requests = (route) => (SETTINGS.inner ? fetches(server, route) : [...fetches(server, route), request(server, route)]);
    // what changes comes behind what reads, so that there is something to be read
    await all(reads.flatMap(requests));
    if (!SETTINGS.inner) {
      const some = reads.map(([, path]) => path).filter((path) => /export$|r\/tags$/.test(path));
      await all(some.flatMap((path) => [...elements(server, path), ...streams(server, path), popup(server, path)]));
    }
    // frames take long, and what a form sends as one type, it sends as any
    const types = (path) => (/import$/.test(path) ? FORMS : FORMS.slice(0, 1));
    const sent = posts.filter(([, path]) => !SETTINGS.inner || /(import|tags)$/.test(path));
    await all(sent.flatMap((route) => [...forms(server, route, types(route[1])), ...beacons(server, route)]));
    await all(changes.flatMap(requests));
  }
  const body = JSON.stringify({ origin: self.origin, tried, found });
  await fetch(SETTINGS.report, { method: "POST", mode: "no-cors", body });
  // one document after another, so that each meets what it is the first to change
  if (SETTINGS.nests) withoutOrigin();
  SETTINGS.frames.forEach(framed);
}

addEventListener("load", main);
