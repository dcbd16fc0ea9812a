/**
 * Makes an element: attributes by name, `on…` members as listeners, children as nodes or texts; null children are left out.
 * Texts never become markup.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => unknown)>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') {
      made.addEventListener(name.slice(2), value);
    } else {
      made.setAttribute(name, value === true ? '' : String(value));
    }
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * The page's element of this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * A table with a caption that only readers of the screen hear.
 * @param {string} caption
 * @param {readonly string[]} heads
 * @param {readonly (readonly (Node | string | null)[])[]} rows
 * @returns {HTMLElement}
 */
export function tableOf(caption, heads, rows) {
  return element(
    'table',
    { 'aria-label': caption },
    element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
    element(
      'tbody',
      {},
      ...rows.map((cells) => element('tr', {}, ...cells.map((cell) => element('td', {}, cell)))),
    ),
  );
}

/**
 * Shows something above the page until it is closed.
 * @param {string} title
 * @param {...Node} body
 */
export function showDetails(title, ...body) {
  byId('details-title').textContent = title;
  byId('details-body').replaceChildren(...body);
  /** @type {HTMLDialogElement} */ (byId('details')).showModal();
}

/**
 * Says what went wrong; an empty text takes it back.
 * @param {string} text
 */
export function say(text) {
  const message = byId('message');
  if (message.textContent !== text) message.textContent = text;
}
