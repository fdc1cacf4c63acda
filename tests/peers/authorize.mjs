// Preloaded into the conformance suite, which knows no headers of its own: whatever it sends to our
// server carries the token, so that the suite meets the server with authentication on.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { Agent, setGlobalDispatcher } from 'undici';

const server = new URL(process.env.ROTA_URL).origin;
const value = `Bearer ${readFileSync(process.env.ROTA_TOKEN_FILE, 'utf8').trim()}`;
const isNamed = name => String(name).toLowerCase() === 'authorization';

/** The headers of undici: a flat list of names and values, or something with entries. */
function authorized(headers) {
  if (Array.isArray(headers)) {
    const isThere = headers.some((name, place) => place % 2 === 0 && isNamed(name));
    return isThere ? headers : [...headers, 'authorization', value];
  }
  const entries = headers?.[Symbol.iterator] ? [...headers] : Object.entries(headers ?? {});
  if (!entries.some(([name]) => isNamed(name))) entries.push(['authorization', value]);
  return Object.fromEntries(entries);
}

// `fetch` and undici's own `request` look for the dispatcher in the same place.
const authorizing = dispatch => (options, handler) => {
  const isOurs = String(options.origin) === server;
  const headers = isOurs ? authorized(options.headers) : options.headers;
  return dispatch({ ...options, headers }, handler);
};
setGlobalDispatcher(new Agent().compose(authorizing));

// Where a scenario needs a `Host` of its own, it uses Node's client.
const { request } = http;
http.request = (...given) => {
  const begun = request(...given);
  if (!begun.headersSent && !begun.getHeader('authorization')) begun.setHeader('authorization', value);
  return begun;
};
