// Keeps the page up to date: looks at it again when something has happened, and every few seconds anyway, and turns
// what is shown into what the node says now, so that focus, selection and place stay. The node renders; nothing here
// knows what anything means. Without a script the page is complete, and as old as it says.
"use strict";
(() => {
  const EVERY_MS = 3000, LIMIT_MS = 2500, STREAM_AGAIN_MS = 10000;
  const STALE_MS = 8000; // longer than a look, its answer and the next one can take
  const LEAST_MS = 1000; // between two looks, however much happens

  const root = document.documentElement;
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  const kinds = document.body.dataset.kinds.split(" ");

  let title = document.title;
  let shown = "";
  let looking = false, lookedAt = -Infinity;
  let newAt = performance.now(); // when the page was another one than before
  let timer = 0, due = Infinity;
  let looks = 0; // wanted soon
  let stream = null, streamedAt = -Infinity;

  // -- what is shown --------------------------------------------------------------------------------------------------

  const ELEMENTS = new Set(
    ("a bdi circle caption dd defs details div dl dt footer g h1 h2 header li line main p path pattern rect " +
      "section small span summary svg table tbody td text th thead time title tr ul").split(" "),
  );
  const ATTRIBUTES = new Set(
    ("aria-hidden aria-label aria-labelledby class cx cy d data-key datetime height href id patternUnits r role scope " +
      "tabindex title viewBox width x x1 x2 y y1 y2").split(" "),
  );
  const OWN = new Set([live, lost]);

  const allowed = ({ name, value }) => ATTRIBUTES.has(name) && (name !== "href" || /^[/#](?!\/)/.test(value));
  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && node.getAttribute("data-key")) || "";
  const alike = (one, other) =>
    one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

  function made(fresh) {
    if (fresh.nodeType === Node.TEXT_NODE) return document.createTextNode(fresh.data);
    if (!ELEMENTS.has(fresh.localName)) return document.createTextNode("");
    const element = document.createElementNS(fresh.namespaceURI, fresh.localName);
    turn(element, fresh);
    return element;
  }

  function turn(old, fresh) {
    if (OWN.has(old) || old.localName === "noscript") return;
    if (old.nodeType === Node.TEXT_NODE && old.data !== fresh.data) old.data = fresh.data;
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    for (const { name } of [...old.attributes]) {
      if (ATTRIBUTES.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const attribute of fresh.attributes) {
      if (allowed(attribute) && old.getAttribute(attribute.name) !== attribute.value) {
        old.setAttribute(attribute.name, attribute.value);
      }
    }
    turnChildren(old, fresh);
  }

  function turnChildren(old, fresh) {
    const wanted = new Set([...fresh.children].map(keyOf));
    // First, so that those who stay need not be moved, which would lose what is selected in them.
    for (const child of [...old.children]) if (!wanted.has(keyOf(child))) child.remove();
    const known = new Map([...old.children].filter(keyOf).map((child) => [keyOf(child), child]));
    let place = old.firstChild;
    for (const child of fresh.childNodes) {
      let match = known.get(keyOf(child));
      if (match === undefined || !alike(match, child)) match = place !== null && alike(place, child) ? place : null;
      if (match === null) {
        old.insertBefore(made(child), place);
        continue;
      }
      if (match !== place) old.insertBefore(match, place);
      else place = place.nextSibling;
      turn(match, child);
    }
    for (let following; place !== null; place = following) {
      following = place.nextSibling;
      place.remove();
    }
  }

  function show(text) {
    if (text === shown) return true;
    const page = new DOMParser().parseFromString(text, "text/html");
    const version = page.documentElement.dataset.version;
    if (version === undefined) return false;
    if (version !== root.dataset.version) location.reload();
    for (const name of ["header", "main", "footer"]) {
      turn(document.querySelector(`body > ${name}`), page.querySelector(`body > ${name}`));
    }
    shown = text;
    newAt = performance.now();
    title = page.title;
    return true;
  }

  // -- how fresh it is ------------------------------------------------------------------------------------------------

  // The page has its time in it: one that stays the same is old, whoever sends it; and so is one that nobody asks for
  // any more, for a fault of this script. Neither may call itself live.
  const stale = () => !document.hidden && performance.now() - newAt > STALE_MS;
  const doubt = () => stale() && lost.hidden && unwell(`Nothing new from this node since ${since()}.`);
  const since = () => document.getElementById("as-of").textContent;

  function well() {
    root.classList.remove("lost");
    lost.hidden = true;
    lost.textContent = "";
    const streams = stream?.readyState === EventSource.OPEN;
    live.textContent = document.hidden ? ", paused" : streams ? ", live" : ", renewed every 3 s";
    document.title = title;
  }

  function unwell(words, link) {
    if (!lost.hidden && lost.dataset.words === words) return; // said already, and not to be said again
    root.classList.add("lost");
    live.textContent = ", not live";
    document.title = `? ${title}`;
    lost.dataset.words = lost.textContent = words;
    lost.hidden = false;
    if (link === undefined) return;
    const anchor = document.createElement("a");
    anchor.setAttribute("href", link);
    anchor.textContent = "Log in";
    lost.append(" ", anchor);
  }

  // -- when to look ---------------------------------------------------------------------------------------------------

  async function asked() {
    try {
      const signal = AbortSignal.timeout(LIMIT_MS);
      const answer = await fetch("/", { cache: "no-cache", redirect: "manual", signal });
      return [answer, await answer.text()];
    } catch {
      return [null, ""];
    }
  }

  async function look() {
    looking = true;
    looks = Math.max(0, looks - 1);
    due = Infinity;
    lookedAt = performance.now();
    const [answer, text] = await asked();
    if (answer === null) {
      unwell(`No answer from this node since ${since()}.`);
    } else if (answer.status === 401 || answer.type === "opaqueredirect") {
      unwell(`This node wants its token again; this is how it was at ${since()}.`, "/login");
    } else if (!answer.ok) {
      unwell(`This node answers with an error (${answer.status}) since ${since()}.`);
    } else if (!show(text)) {
      unwell(`Something else answers in the place of this node since ${since()}.`);
    } else {
      listen();
      if (!stale()) well();
    }
    looking = false;
    soon(looks > 0 || root.classList.contains("lost") ? 0 : EVERY_MS);
  }

  function soon(wait) {
    if (looking || document.hidden) return;
    const at = Math.max(performance.now() + wait, lookedAt + LEAST_MS);
    if (at >= due) return;
    due = at;
    clearTimeout(timer);
    timer = setTimeout(look, at - performance.now());
  }

  function listen() {
    const now = performance.now();
    const closed = stream === null || stream.readyState === EventSource.CLOSED;
    if (!closed || document.hidden || now - streamedAt < STREAM_AGAIN_MS) return;
    streamedAt = now;
    stream = new EventSource("/api/v1/events");
    stream.onopen = stream.onerror = () => {
      if (!root.classList.contains("lost")) well();
      happened();
    };
    for (const kind of kinds) stream.addEventListener(kind, happened);
  }

  function happened() {
    looks = 2; // what the node shows to all can be older than this, by less than the time between two looks
    soon(0);
  }

  // A browser allows a host six connections for all its tabs: those that nobody sees must not hold them.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(timer);
      due = Infinity;
      stream?.close();
      streamedAt = -Infinity;
      if (!root.classList.contains("lost")) live.textContent = ", paused";
    } else {
      newAt = performance.now();
      soon(0);
    }
  });
  setInterval(doubt, 1000);
  soon(0);
})();
