'use strict';
{
  // Adds local times and fetches the page again every few seconds. Without it
  // the page shows the same in UTC.
  const every = 15;
  const served = location.protocol.startsWith('http'); // and not a file that somebody saved
  const $ = id => document.getElementById(id);
  let timer, paused = false;

  function addLocalTimes(main) {
    if (!new Date().getTimezoneOffset()) return;
    for (const time of main.querySelectorAll('time')) {
      const at = new Date(time.dateTime), parts = {timeStyle: 'medium', hourCycle: 'h23'};
      const day = at.getDate() === at.getUTCDate() ? '' : at.toLocaleDateString('en-GB', {weekday: 'short'}) + ' ';
      const local = document.createElement('span');
      local.className = 'local';
      local.textContent = `(${day}${at.toLocaleTimeString('en-GB', parts)} local)`;
      time.after(time.closest('h1') ? '\u00a0' : ' ', local);
    }
  }

  // Puts what was fetched in the place of what is there, and the focus and the
  // scrolled table where they were.
  function replaceMain(html) {
    const next = new DOMParser().parseFromString(html, 'text/html');
    const main = next.querySelector('main'), old = $('main');
    const focused = old.contains(document.activeElement) && document.activeElement;
    const across = $('runs-scroll')?.scrollLeft, down = scrollY;
    addLocalTimes(main);
    const said = main.querySelector('h1').textContent;
    if (said !== old.querySelector('h1').textContent) $('announced').textContent = said;
    old.replaceWith(document.adoptNode(main));
    document.title = next.title;
    if (focused) ($(focused.id) ?? [...main.querySelectorAll('a')].find(a => a.href === focused.href))?.focus({preventScroll: true});
    if (across) $('runs-scroll')?.scrollTo(across, 0);
    scrollTo(scrollX, down);
  }

  async function refresh() {
    let trouble = '';
    try {
      const answer = await fetch(location.href, {cache: 'no-store'});
      if (!answer.ok) throw new Error(`the answer was ${answer.status} ${answer.statusText}`);
      const html = await answer.text();
      if (getSelection().isCollapsed) replaceMain(html); // nobody is about to copy
    } catch (error) {
      trouble = `Not refreshed: ${error.message}. This is what was known before.`;
    }
    if ($('stale').textContent !== trouble) $('stale').textContent = trouble; // said once
    $('stale').hidden = !trouble;
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(refresh, every * 1000);
    $('state').textContent = paused ? 'Paused' : `Refreshes every ${every} s`;
  }

  addLocalTimes($('main'));
  if (served) {
    $('pause').hidden = false;
    $('pause').addEventListener('click', () => {
      paused = !paused;
      $('pause').setAttribute('aria-pressed', paused);
      schedule();
    });
    document.addEventListener('visibilitychange', () => document.hidden || paused ? schedule() : refresh());
    schedule();
  }
}
