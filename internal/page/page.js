'use strict';
{
  // Adds local times and fetches the page again every few seconds. Without it
  // the page shows the same in UTC.
  const every = 15;
  const served = location.protocol.startsWith('http'); // and not a file that somebody saved
  const $ = id => document.getElementById(id);
  let timer, paused = false;

  function localText(at, whole) {
    const parts = {hour: '2-digit', minute: '2-digit', hourCycle: 'h23'};
    if (whole) parts.second = '2-digit';
    if (whole && at.getDate() !== at.getUTCDate()) parts.weekday = 'short';
    return new Intl.DateTimeFormat('en-GB', parts).format(at);
  }

  function addLocalTimes(main) {
    if (!new Date().getTimezoneOffset()) return;
    const add = (to, text) => {
      const local = document.createElement('span');
      local.className = 'local';
      local.textContent = `(${text})`;
      to.after(to.parentNode.closest('h1') ? '\u00a0' : ' ', local);
    };
    for (const time of main.querySelectorAll('time')) {
      const unit = time.closest('table') ? '' : ' local';
      add(time, localText(new Date(time.dateTime), true) + unit);
    }
    for (const head of main.querySelectorAll('#started')) add(head.firstChild, 'local');
    for (const text of main.querySelectorAll('text[data-at]')) {
      const local = text.cloneNode();
      local.removeAttribute('data-at');
      local.setAttribute('dy', '14');
      local.textContent = localText(new Date(text.dataset.at)) + ' local';
      text.after(local);
    }
  }

  // Puts what was fetched in the place of what is there, and the focus and the
  // scrolled table where they were.
  function replaceMain(html) {
    const next = new DOMParser().parseFromString(html, 'text/html');
    const main = next.querySelector('main'), old = $('main');
    const focused = old.contains(document.activeElement) ? document.activeElement.id : '';
    const [x, y, across] = [scrollX, scrollY, $('runs-scroll')?.scrollLeft];
    addLocalTimes(main);
    if (next.querySelector('h1').textContent !== old.querySelector('h1').textContent) {
      $('announced').textContent = main.querySelector('h1').textContent;
    }
    old.replaceWith(document.adoptNode(main));
    document.title = next.title;
    if (focused) $(focused)?.focus({preventScroll: true});
    if (across) $('runs-scroll')?.scrollTo(across, 0);
    scrollTo(x, y);
  }

  async function refresh() {
    try {
      const answer = await fetch(location.href, {cache: 'no-store'});
      if (!answer.ok) throw new Error(`the answer was ${answer.status} ${answer.statusText}`);
      const html = await answer.text();
      if (getSelection().isCollapsed) replaceMain(html); // nobody is about to copy
      $('stale').hidden = true;
    } catch (error) {
      const text = `Not refreshed: ${error.message}. This is what was known before.`;
      if ($('stale').hidden || $('stale').textContent !== text) $('stale').textContent = text; // said once
      $('stale').hidden = false;
    }
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    const wait = paused || document.hidden;
    if (!wait) timer = setTimeout(refresh, every * 1000);
    $('state').textContent = paused ? 'Paused' : `Refreshes every ${every} s`;
  }

  addLocalTimes($('main'));
  $('pause').hidden = !served;
  $('pause').addEventListener('click', () => {
    paused = !paused;
    $('pause').setAttribute('aria-pressed', paused);
    schedule();
  });
  if (served) {
    document.addEventListener('visibilitychange', () => document.hidden || paused ? schedule() : refresh());
    schedule();
  }
}
