// The controls: what is in view, what is chosen, filters, keys, the place in the address.
'use strict';

(function() {
  const $ = (id) => document.getElementById(id);
  const story = new Story(JSON.parse($('story-data').textContent));
  const K = story.KIND;
  const verdict = story.count ? story.count - 1 : -1;
  const failed = verdict >= 0 && story.kind[verdict] === K.verdict && story.what(verdict) !== 'clean';

  const view = {
    t0: 0, t1: Math.max(1, story.end), cursor: -1,
    hiddenLanes: new Set(), hiddenMessages: new Set(), hiddenFaults: new Set(), query: '', matches: [],
    // Whether the filters let the event be seen and stepped to.
    shows(i) {
      const kind = story.kind[i];
      if (view.hiddenLanes.has(story.lane(i))) return false;
      if (kind === K.send || kind === K.receive || kind === K.duplicate || kind === K.lost) {
        return !view.hiddenMessages.has(story.client[i] >= 0 ? 'client' : story.what(i));
      }
      if (kind === K.request || kind === K.arrive || kind === K.answer || kind === K.reply) return !view.hiddenMessages.has('client');
      if (kind === K.fault || kind === K.fault_end) return !view.hiddenFaults.has(story.what(i));
      return true;
    },
  };
  const timeline = new Timeline(story, view, $('canvas'), $('axis'), $('overview'));
  const panel = new Panel(story, $('details'), $('steps'), (i) => choose(i, true));

  // ---- What is in view

  let frame = 0;
  function redraw() {
    if (!frame) frame = requestAnimationFrame(() => { frame = 0; drawNow(); });
  }
  function drawNow() {
    timeline.draw();
    const span = view.t1 - view.t0;
    $('span').textContent = `${formatTime(view.t0, span / 100)} to ${formatTime(view.t1, span / 100)} s`;
    $('density').hidden = !timeline.drawn.density;
    $('density').textContent = `${timeline.drawn.arrows} messages in view: drawn as a density, zoom in for arrows`;
  }

  const SPAN_MIN = 20;  // microseconds
  function setView(t0, t1) {
    let span = Math.min(Math.max(t1 - t0, SPAN_MIN), Math.max(SPAN_MIN, story.end * 1.04));
    // Marks at the very end of the run have room beside them.
    t0 = Math.max(-span * 0.05, Math.min(t0, story.end - span * (span < story.end ? 0.7 : 0.97)));
    view.t0 = t0;
    view.t1 = t0 + span;
    redraw();
    rememberPlace();
  }
  function zoom(factor, around) {
    const center = around === undefined ? (view.cursor >= 0 && inView(view.cursor) ? story.time[view.cursor] : (view.t0 + view.t1) / 2) : around;
    setView(center - (center - view.t0) * factor, center + (view.t1 - center) * factor);
  }
  function pan(fraction) {
    const by = (view.t1 - view.t0) * fraction;
    setView(view.t0 + by, view.t1 + by);
  }
  function fit() { setView(-story.end * 0.01, story.end * 1.01); }
  function inView(i) { return story.time[i] >= view.t0 && story.time[i] <= view.t1; }

  // Chooses an event; `reveal` moves the view if it is not in it.
  function choose(i, reveal) {
    if (i < 0 || i >= story.count) return;
    view.cursor = i;
    panel.firstCell = null;
    panel.show(i);
    $('time').value = formatTime(story.time[i]);
    for (const button of document.querySelectorAll('#proof [data-event]')) {
      button.classList.toggle('chosen', Number(button.dataset.event) === i);
    }
    if (reveal && !inView(i)) {
      const span = view.t1 - view.t0;
      setView(story.time[i] - span / 2, story.time[i] + span / 2);
    }
    redraw();
    rememberPlace();
  }
  // The last event at or before a time.
  function chooseTime(time) { choose(Math.max(0, upperBound(story.time, time) - 1), true); }

  function step(direction, sameLane) {
    const lane = sameLane && view.cursor >= 0 ? story.lane(view.cursor) : null;
    for (let i = view.cursor + direction; i >= 0 && i < story.count; i += direction) {
      if (view.shows(i) && (lane === null || story.lane(i) === lane)) return choose(i, true);
    }
  }

  // ---- The proof

  let proofAt = -1;
  // Shows one event of the proof, with all of them in view if they lie near each other.
  function goToProof(number) {
    if (!story.proof.length) return;
    proofAt = (number + story.proof.length) % story.proof.length;
    const i = story.proof[proofAt];
    const times = story.proof.map((j) => story.time[j]);
    const low = Math.min(...times), high = Math.max(...times);
    if (high - low < 2e6) setView(low - Math.max(12000, (high - low) * 0.5), high + Math.max(4000, (high - low) * 0.3));
    else setView(story.time[i] - 30000, story.time[i] + 15000);
    choose(i, true);
    const y = timeline.eventY(i);
    if (y !== null) $('scroller').scrollTop = Math.max(0, y - $('scroller').clientHeight / 2);
  }

  function fillHeader() {
    document.title = `Lockstep, seed ${story.packed.seed}: ${failed ? story.what(verdict) : 'clean'}`;
    $('title').textContent = `Seed ${story.packed.seed}`;
    $('verdict').textContent = failed ? `✕ broken: ${story.what(verdict)}` : '✓ clean';
    $('verdict').className = failed ? 'failed' : 'clean';
    $('facts').textContent = `${story.nodes} nodes, ${story.clients} clients, ${formatTime(story.end, 1e4)} s, ${story.count} events, ` +
      `${story.operationList.length} operations, ${story.faults.length} faults`;
    const text = verdict >= 0 ? story.text(verdict) : '';
    const lines = text.split('\n');
    $('why').textContent = lines[0];
    $('more').hidden = lines.length < 2;
    $('more').open = lines.length < 12;
    $('more-text').textContent = lines.slice(1).join('\n');
    $('broken').hidden = !failed;
    story.proof.forEach((i, number) => $('proof').append(panel.eventLine(i, String(number + 1))));
    $('next-proof').hidden = story.proof.length < 2;
    const settings = story.packed.settings.map(([name, value, standard]) => element('tr', {},
      element('td', {}, name), element('td', {}, String(value)), element('td', {}, String(standard))));
    $('settings').append(element('tr', {}, element('th', {}, 'setting'), element('th', {}, 'here'), element('th', {}, 'default')), ...settings);
    $('settings-count').textContent = String(settings.length);
    $('plan-text').textContent = story.packed.plan;
    $('repeat').textContent = story.packed.drawn ? `lockstep-sim run --seed ${story.packed.seed} --trace`
                                                 : 'lockstep-sim run --plan FILE --trace, with the plan below in FILE';
  }

  // ---- Filters

  function checkbox(name, group, hidden, label) {
    const box = element('input', {type: 'checkbox', 'data-filter': group + ':' + name});
    box.checked = !hidden.has(name);
    box.addEventListener('change', () => {
      if (box.checked) hidden.delete(name); else hidden.add(name);
      redraw();
      showFilterCount();
    });
    const sample = group === 'messages' ? element('i', {class: 'sample', style: `background:${timeline.colourOfMessage(name)}`}) : '';
    return element('label', {}, box, sample, label || name);
  }
  function fillFilters() {
    $('filters').replaceChildren();
    const group = (title, names, key, hidden, label) => {
      if (!names.length) return;
      const boxes = names.map((name) => checkbox(name, key, hidden, label && label(name)));
      const all = (on) => () => {
        for (const name of names) if (on) hidden.delete(name); else hidden.add(name);
        fillFilters();
        redraw();
      };
      $('filters').append(element('fieldset', {}, element('legend', {}, title + ' ',
        element('button', {type: 'button', onclick: all(true)}, 'all'), element('button', {type: 'button', onclick: all(false)}, 'none')), ...boxes));
    };
    const range = (count, prefix, from) => Array.from({length: count}, (_, i) => prefix + (i + from));
    group('Messages', story.messageKinds, 'messages', view.hiddenMessages, (name) => name === 'client' ? 'of clients' : name);
    group('Nodes', range(story.nodes, 'n', 1), 'lanes', view.hiddenLanes, (name) => 'node ' + name.slice(1));
    group('Clients', range(story.clients, 'c', 0), 'lanes', view.hiddenLanes, (name) => 'client ' + name.slice(1));
    group('Faults', story.faultKinds, 'faults', view.hiddenFaults);
    showFilterCount();
  }
  function showFilterCount() {
    const hidden = view.hiddenLanes.size + view.hiddenMessages.size + view.hiddenFaults.size;
    $('filter-count').textContent = hidden ? `(${hidden} hidden)` : '';
  }

  // ---- Search

  let searchText = null;
  function search(query) {
    view.query = query.trim().toLowerCase();
    view.matches = [];
    if (view.query) {
      if (!searchText) {
        searchText = Array.from({length: story.count}, (_, i) => `${story.lane(i)} ${story.kindName(i)} ${story.text(i)}`.toLowerCase());
      }
      for (let i = 0; i < story.count; ++i) if (searchText[i].includes(view.query)) view.matches.push(i);
    }
    $('match-count').textContent = view.query ? `${view.matches.length} found` : '';
    redraw();
  }
  function nextMatch(direction) {
    if (!view.matches.length) return;
    const at = upperBound(view.matches, view.cursor - (direction < 0 ? 1 : 0));
    const next = direction > 0 ? at % view.matches.length : (at - 1 + view.matches.length) % view.matches.length;
    choose(view.matches[next], true);
  }

  // ---- The place in the address: #t=seconds&span=seconds&e=event

  let ownHash = '', hashTimer = 0;
  function rememberPlace() {
    clearTimeout(hashTimer);
    hashTimer = setTimeout(() => {
      if (view.cursor < 0) return;
      ownHash = `#t=${formatTime(story.time[view.cursor])}&span=${((view.t1 - view.t0) / 1e6).toFixed(6)}&e=${view.cursor}`;
      history.replaceState(null, '', ownHash);
    }, 150);
  }
  function goToHash() {
    const place = new URLSearchParams(location.hash.slice(1));
    const time = Number(place.get('t')) * 1e6;
    if (!place.has('t') || !Number.isFinite(time)) return false;
    const span = Number(place.get('span')) * 1e6 || (view.t1 - view.t0 < story.end ? view.t1 - view.t0 : 1e6);
    setView(time - span / 2, time + span / 2);
    const event = place.has('e') ? Number(place.get('e')) : -1;
    // An event's number holds only together with its time: the page may be another run's.
    if (Number.isInteger(event) && event >= 0 && event < story.count && Math.abs(story.time[event] - time) < 2) choose(event, true);
    else chooseTime(time);
    return true;
  }

  // ---- Hands

  const scroller = $('scroller');
  let drag = null;
  const localX = (event) => event.clientX - $('canvas').getBoundingClientRect().left;
  const localY = (event) => event.clientY - $('canvas').getBoundingClientRect().top;
  scroller.addEventListener('wheel', (event) => {
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      pan((event.deltaX || event.deltaY) / 800);
    } else if (event.altKey) {
      return;  // scrolls the lanes
    } else {
      zoom(Math.exp(event.deltaY * 0.0016), timeline.timeAt(Math.max(GUTTER, localX(event))));
    }
    event.preventDefault();
  }, {passive: false});
  $('canvas').addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    drag = {x: event.clientX, y: event.clientY, t0: view.t0, t1: view.t1, top: scroller.scrollTop, moved: false};
    $('canvas').setPointerCapture(event.pointerId);
  });
  $('canvas').addEventListener('pointermove', (event) => {
    if (drag) {
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      if (Math.abs(dx) + Math.abs(dy) > 4) drag.moved = true;
      if (!drag.moved) return;
      const by = -dx / (timeline.width - GUTTER) * (drag.t1 - drag.t0);
      setView(drag.t0 + by, drag.t1 + by);
      scroller.scrollTop = drag.top - dy;
      return;
    }
    hover(event);
  });
  $('canvas').addEventListener('pointerup', (event) => {
    const clicked = drag && !drag.moved;
    drag = null;
    if (!clicked || localX(event) < GUTTER) return;
    const i = timeline.eventAt(localX(event), localY(event));
    if (i >= 0) choose(i, false); else chooseTime(timeline.timeAt(localX(event)));
  });
  $('canvas').addEventListener('dblclick', (event) => zoom(0.25, timeline.timeAt(localX(event))));
  $('canvas').addEventListener('pointerleave', () => { $('tip').hidden = true; });

  let hoverFrame = 0;
  function hover(event) {
    if (hoverFrame) return;
    const x = localX(event), y = localY(event), left = event.clientX, top = event.clientY;
    hoverFrame = requestAnimationFrame(() => {
      hoverFrame = 0;
      const i = x < GUTTER ? -1 : timeline.eventAt(x, y);
      $('tip').hidden = i < 0;
      $('canvas').style.cursor = i < 0 ? 'grab' : 'pointer';
      if (i < 0) return;
      $('tip').textContent = `${formatTime(story.time[i])}  ${panel.who(i)}  ${panel.short(story.text(i))}`;
      $('tip').style.left = Math.min(left + 14, window.innerWidth - Math.min(420, $('tip').offsetWidth) - 8) + 'px';
      $('tip').style.top = top + 16 + 'px';
    });
  }
  const overviewDrag = (event) => {
    if (!(event.buttons & 1)) return;
    const x = event.clientX - $('overview').getBoundingClientRect().left;
    const time = (x - GUTTER) / (timeline.width - GUTTER) * story.end;
    const span = view.t1 - view.t0;
    setView(time - span / 2, time + span / 2);
  };
  $('overview').addEventListener('pointerdown', overviewDrag);
  $('overview').addEventListener('pointermove', overviewDrag);

  const buttons = {
    'zoom-in': () => zoom(0.5), 'zoom-out': () => zoom(2), 'zoom-fit': fit,
    'step-back': () => step(-1, false), 'step-on': () => step(1, false),
    'lane-back': () => step(-1, true), 'lane-on': () => step(1, true),
    'next-match': () => nextMatch(1), 'previous-match': () => nextMatch(-1),
    'next-proof': () => goToProof(proofAt + 1),
    'help': () => $('help-box').showModal(), 'help-close': () => $('help-box').close(),
    'theme': () => {
      const dark = getComputedStyle(document.documentElement).colorScheme.includes('dark');
      document.documentElement.dataset.theme = dark ? 'light' : 'dark';
      timeline.readColours();
      fillFilters();
      redraw();
    },
    'plan-save': () => {
      const link = element('a', {href: 'data:text/plain;charset=utf-8,' + encodeURIComponent(story.packed.plan), download: `seed-${story.packed.seed}.plan`});
      link.click();
    },
  };
  for (const [id, act] of Object.entries(buttons)) $(id).addEventListener('click', act);
  $('search').addEventListener('input', () => search($('search').value));
  $('search').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') nextMatch(event.shiftKey ? -1 : 1);
    if (event.key === 'Escape') $('search').blur();
  });
  $('time').addEventListener('change', () => {
    const time = Number($('time').value) * 1e6;
    if (Number.isFinite(time)) chooseTime(time);
  });

  const keys = {
    'ArrowRight': () => step(1, false), 'ArrowLeft': () => step(-1, false),
    'Shift+ArrowRight': () => step(1, true), 'Shift+ArrowLeft': () => step(-1, true),
    '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), 'f': fit, '0': fit,
    'a': () => pan(-0.5), 'd': () => pan(0.5),
    'Home': () => choose(0, true), 'End': () => choose(story.count - 1, true),
    'p': () => goToProof(proofAt + 1), 'Shift+P': () => goToProof(proofAt - 1),
    'n': () => nextMatch(1), 'Shift+N': () => nextMatch(-1), '/': () => $('search').focus(),
    '?': () => $('help-box').showModal(),
  };
  document.addEventListener('keydown', (event) => {
    if (event.target.matches('input, textarea') || event.ctrlKey || event.metaKey || event.altKey || $('help-box').open) return;
    const shifted = event.shiftKey && (event.key.startsWith('Arrow') || /^[A-Z]$/.test(event.key));
    const act = keys[(shifted ? 'Shift+' : '') + event.key];
    if (act) { event.preventDefault(); act(); }
  });
  window.addEventListener('resize', redraw);
  window.addEventListener('hashchange', () => { if (location.hash !== ownHash) goToHash(); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { timeline.readColours(); redraw(); });

  // ---- Begin

  timeline.readColours();
  timeline.layout();
  fillHeader();
  fillFilters();
  fit();
  drawNow();  // so that the lanes have their places, which can then be gone to
  if (!goToHash()) {
    if (failed && story.proof.length) goToProof(story.proof.length - 1); else choose(story.count - 1, false);
  }
  drawNow();

  // For tests and for curious people (docs/story.md): what the page holds and shows, and the same
  // things to do as by hand. draw() draws at once and returns the milliseconds that it took.
  window.lockstep = {
    ready: true, story,
    get events() { return story.count; },
    get cursor() { return view.cursor; },
    get time() { return view.cursor < 0 ? null : story.time[view.cursor] / 1e6; },
    get view() { return [view.t0 / 1e6, view.t1 / 1e6]; },
    get proof() { return story.proof.slice(); },
    get matches() { return view.matches.length; },
    get hidden() { return [...view.hiddenLanes, ...view.hiddenMessages, ...view.hiddenFaults].sort(); },
    get drawn() { return Object.assign({}, timeline.drawn); },
    get cells() { return Object.assign({}, panel.shownCells); },
    log(node, i) {
      const at = story.nodeAt(node, i === undefined ? view.cursor : i);
      return {base: at.memory.base, terms: at.memory.entries.map((entry) => story.entryTerm(entry)),
              texts: at.memory.entries.map((entry) => story.entryText(entry))};
    },
    place(i) { return [timeline.x(story.time[i]), timeline.eventY(i)]; },
    text: (i) => story.text(i), kind: (i) => story.kindName(i), lane: (i) => story.lane(i),
    choose: (i) => choose(i, true), zoom, pan, fit, search, goToProof, setView: (a, b) => setView(a * 1e6, b * 1e6),
    draw() { drawNow(); return timeline.drawn.frame_ms; },
  };
})();
