// Shows /openapi.json: a list of endpoints, one of them in full, and a form to try it with.
// Nothing is stored, nothing is asked of anybody else, and text from the document stays text.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
let api = null;
let operations = [];
const proofs = {};

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function resolve(node) {
  for (let hops = 0; node && node.$ref && hops < 8; hops++) {
    node = node.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at && at[key.replace(/~1/g, "/").replace(/~0/g, "~")], api);
  }
  return node || {};
}

// One schema in one line: what a field may be.
function kind(schema) {
  schema = resolve(schema);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  for (const word of ["anyOf", "oneOf"]) if (schema[word]) return schema[word].map(kind).join(" | ");
  if (schema.allOf) return schema.allOf.map(kind).join(" & ");
  const types = [schema.type || "anything"].flat();
  return types.map((type) => (type === "array" ? "array of " + kind(schema.items || {}) : type)).join(" | ");
}

// The fields of a schema, those inside others too.
function fields(schema, prefix, depth, out) {
  schema = resolve(schema);
  for (const part of [...(schema.allOf || []), ...(schema.anyOf || []), ...(schema.oneOf || [])]) fields(part, prefix, depth, out);
  const needed = new Set(schema.required || []);
  for (const [name, inner] of Object.entries(schema.properties || {})) {
    const place = prefix + name;
    if (!out.some((row) => row.place === place)) out.push({ place, kind: kind(inner), needed: needed.has(name) });
    if (depth < 4) {
      fields(inner, place + ".", depth + 1, out);
      const items = resolve(inner).items;
      if (items) fields(items, place + "[].", depth + 1, out);
    }
  }
  return out;
}

// The least that a schema takes, to begin a request with.
function sample(schema, depth = 0) {
  schema = resolve(schema);
  if (schema.examples) return schema.examples[0];
  if ("default" in schema) return schema.default;
  if (schema.enum) return schema.enum[0];
  const type = [schema.type].flat()[0];
  if (type === "object" && depth < 4) {
    return Object.fromEntries(Object.entries(schema.properties || {}).map(([name, inner]) => [name, sample(inner, depth + 1)]));
  }
  return { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} }[type] ?? null;
}

function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function table(heads, rows) {
  return el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", {}, head)))), el("tbody", {}, rows));
}

function schemaTable(schema) {
  const rows = fields(schema, "", 0, []);
  if (!rows.length) return el("p", { class: "dim" }, kind(schema));
  return table(["Field", "Type", ""], rows.map((row) =>
    el("tr", {}, el("td", {}, el("code", {}, row.place)), el("td", {}, row.kind), el("td", { class: "dim" }, row.needed ? "always" : ""))));
}

function contentBlocks(content) {
  return Object.entries(content || {}).map(([media, said]) =>
    el("div", {}, el("p", { class: "dim" }, media), schemaTable(said.schema || {}),
      Object.entries(said.examples || {}).map(([name, example]) =>
        el("details", {}, el("summary", {}, "Example: " + name), el("pre", {}, pretty(example.value))))));
}

function tryIt(operation) {
  const inputs = [];
  const rows = (operation.parameters || []).map((parameter) => {
    const input = el("input", { "aria-label": parameter.name, placeholder: kind(parameter.schema || {}), required: parameter.required });
    inputs.push([parameter, input]);
    return el("tr", {}, el("td", {}, el("code", {}, parameter.name)),
      el("td", {}, parameter.in, parameter.required ? " · needed" : ""), el("td", {}, input));
  });
  const names = [...new Set((operation.security || []).flatMap((way) => Object.keys(way)))];
  const proofRows = names.map((name) => {
    const scheme = api.components.securitySchemes[name];
    if (scheme.in === "cookie") return null;
    const input = el("input", { "aria-label": name, type: scheme.type === "http" ? "password" : "text", autocomplete: "off",
      placeholder: scheme.description || "", on: { input: (event) => { proofs[name] = event.target.value; } } });
    input.value = proofs[name] || "";
    return el("tr", {}, el("td", {}, el("code", {}, scheme.name || "Authorization")), el("td", {}, "proof"), el("td", {}, input));
  });
  const json = operation.requestBody && operation.requestBody.content["application/json"];
  const body = json && el("textarea", { "aria-label": "body", spellcheck: "false" });
  if (body) {
    const examples = Object.values(json.examples || {});
    body.value = pretty(examples.length ? examples[0].value : sample(json.schema || {}));
  }
  const answer = el("div", { "aria-live": "polite" });
  async function send(event) {
    event.preventDefault();
    let path = operation.path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [parameter, input] of inputs) {
      if (input.value === "") continue;
      if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (parameter.in === "query") query.append(parameter.name, input.value);
      else headers[parameter.name] = input.value;
    }
    for (const name of names) {
      const scheme = api.components.securitySchemes[name];
      if (!proofs[name]) continue;
      if (scheme.type === "http") headers.Authorization = "Bearer " + proofs[name];
      else if (scheme.in === "header") headers[scheme.name] = proofs[name];
    }
    if (body) headers["Content-Type"] = "application/json";
    answer.replaceChildren(el("p", { class: "dim" }, "…"));
    try {
      const target = path + (query.size ? "?" + query : "");
      const begun = performance.now();
      const got = await fetch(target, { method: operation.method.toUpperCase(), headers, body: body ? body.value : undefined, redirect: "manual" });
      let text = got.type === "opaqueredirect" ? "(elsewhere)" : await got.text();
      try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON, shown as it is */ }
      const took = Math.round(performance.now() - begun);
      answer.replaceChildren(el("p", {}, `${got.status || "3xx"} ${got.statusText} · ${took} ms`), el("pre", {}, text || "(nothing)"));
    } catch (error) {
      answer.replaceChildren(el("p", {}, String(error)));
    }
  }
  return el("details", {}, el("summary", {}, "Try it"),
    el("form", { on: { submit: send } }, rows.length + proofRows.length ? table(["", "", ""], [...proofRows, ...rows].filter(Boolean)) : null,
      body || null, el("p", {}, el("button", { type: "submit" }, "Send")), answer));
}

function show(operation) {
  const ways = (operation.security || []).map((way) => Object.keys(way).join(" with ") || "nothing");
  const parameters = (operation.parameters || []).map((parameter) =>
    el("tr", {}, el("td", {}, el("code", {}, parameter.name)), el("td", {}, parameter.in, parameter.required ? " · needed" : ""),
      el("td", {}, kind(parameter.schema || {}), (parameter.schema || {}).examples ? `: ${parameter.schema.examples.join(", ")}` : ""),
      el("td", { class: "dim" }, parameter.description || "")));
  const responses = Object.entries(operation.responses).map(([status, response]) => {
    response = resolve(response);
    return el("details", { open: status.startsWith("2") }, el("summary", {}, `${status} — ${response.description}`), contentBlocks(response.content));
  });
  document.getElementById("shown").replaceChildren(
    el("h2", {}, operation.summary || operation.operationId),
    el("p", { class: "place" }, el("span", { class: "method " + operation.method }, operation.method + " "), operation.path),
    el("p", { class: "dim" }, `${(operation.tags || []).join(", ")} · proof: ${ways.join(" or ") || "none"}`),
    tryIt(operation),
    ...(parameters.length ? [el("h3", {}, "Parameters"), table(["Name", "Where", "Type", ""], parameters)] : []),
    ...(operation.requestBody ? [el("h3", {}, "Body"), ...contentBlocks(operation.requestBody.content)] : []),
    el("h3", {}, "Answers"), ...responses);
  document.title = `${operation.method.toUpperCase()} ${operation.path} · Tollgate REST`;
}

function overview() {
  document.title = "Tollgate REST";
  document.getElementById("shown").replaceChildren(
    el("h2", {}, api.info.title), el("p", {}, api.info.description),
    table(["System", "Endpoints", ""], (api.tags || []).map((tag) =>
      el("tr", {}, el("td", {}, tag.name), el("td", {}, String(operations.filter((o) => o.tags.includes(tag.name)).length)), el("td", {}, tag.description)))),
    el("p", {}, el("a", { href: "/openapi.json" }, "/openapi.json"), ` · OpenAPI ${api.openapi} · version ${api.info.version}`));
}

function route() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const operation = operations.find((o) => o.operationId === wanted);
  for (const link of document.querySelectorAll("nav li a")) {
    if (link.hash.slice(1) === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (operation) show(operation);
  else overview();
  document.getElementById("shown").focus({ preventScroll: true });
  scrollTo(0, 0);
}

function list(filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (o) => words.every((word) => `${o.method} ${o.path} ${o.summary} ${o.operationId}`.toLowerCase().includes(word));
  document.getElementById("list").replaceChildren(...(api.tags || []).map((tag) => {
    const found = operations.filter((o) => o.tags.includes(tag.name) && fits(o));
    return found.length ? el("details", { open: words.length > 0 }, el("summary", {}, `${tag.name} (${found.length})`),
      el("ul", {}, found.map((o) => el("li", {}, el("a", { href: "#" + o.operationId, title: o.summary },
        el("span", { class: "method " + o.method }, o.method), el("span", { class: "path" }, o.path)))))) : null;
  }).filter(Boolean));
}

async function begin() {
  const got = await fetch("/openapi.json");
  api = await got.json();
  operations = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })));
  list("");
  document.getElementById("filter").addEventListener("input", (event) => { list(event.target.value); route(); });
  addEventListener("hashchange", route);
  route();
}

begin().catch((error) => document.getElementById("shown").replaceChildren(el("p", {}, `The description cannot be shown: ${error}`)));
