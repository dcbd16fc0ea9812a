import { openApiPage } from './api-page.js';
import { openDataPage } from './data-page.js';
import { byId, say } from './dom.js';
import { openReplicationPage } from './replication-page.js';
import { adminSecret, ask, keepAdminSecret, Refusal } from './server.js';

/**
 * A page: `show` is called whenever it comes to the front, `hide` when it leaves.
 * @typedef {{ show: () => void, hide: () => void }} Page
 */

/** @type {Record<string, (panel: HTMLElement) => Page>} */
const OPENERS = { api: openApiPage, replication: openReplicationPage, data: openDataPage };
const NAMES = Object.keys(OPENERS);

/** @type {Map<string, Page>} */
const pages = new Map();
/** @type {string | null} */
let shown = null;

/** @param {string} name */
function show(name) {
  if (shown !== null) pages.get(shown)?.hide();
  shown = name;
  for (const each of NAMES) {
    const isShown = each === name;
    const tab = byId(`tab-${each}`);
    tab.setAttribute('aria-selected', String(isShown));
    tab.tabIndex = isShown ? 0 : -1;
    byId(`page-${each}`).hidden = !isShown;
  }
  const page = pages.get(name) ?? OPENERS[name]?.(byId(`page-${name}`));
  if (page === undefined) return;
  pages.set(name, page);
  page.show();
}

/** @param {string} name */
function go(name) {
  say('');
  if (location.hash !== `#${name}`) history.replaceState(null, '', `#${name}`);
  show(name);
}

function wireTabs() {
  for (const [at, name] of NAMES.entries()) {
    const tab = byId(`tab-${name}`);
    tab.addEventListener('click', () => go(name));
    tab.addEventListener('keydown', (event) => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      const next = NAMES[(at + step + NAMES.length) % NAMES.length];
      if (step === 0 || next === undefined) return;
      event.preventDefault();
      go(next);
      byId(`tab-${next}`).focus();
    });
  }
  window.addEventListener('hashchange', () => show(pageOfAddress()));
}

/** @returns {string} */
function pageOfAddress() {
  const name = location.hash.slice(1);
  return NAMES.includes(name) ? name : 'api';
}

function wireSignIn() {
  const form = /** @type {HTMLFormElement} */ (byId('sign-in'));
  const field = /** @type {HTMLInputElement} */ (byId('secret'));
  field.value = adminSecret();
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    keepAdminSecret(field.value);
    void greet().then(() => show(pageOfAddress()));
  });
}

/** Says which server this is, or that it wants a secret. */
async function greet() {
  const field = byId('secret');
  try {
    const version = await ask('/v1/version');
    byId('server').textContent = `${version.nearjoin_version} on ${location.host}`;
    const config = await ask('/v1alpha1/config');
    byId('sign-in').hidden = !config.is_admin_secret_set;
    field.removeAttribute('aria-invalid');
    say('');
  } catch (error) {
    byId('sign-in').hidden = false;
    if (error instanceof Refusal) field.setAttribute('aria-invalid', 'true');
    say(error instanceof Error ? error.message : String(error));
  }
}

wireTabs();
wireSignIn();
show(pageOfAddress());
await greet();
