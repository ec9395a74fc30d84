// Draws the timeline on a canvas: only what is visible, and densities instead of arrows where arrows
// would be a blur. Draws what `view` says and decides nothing.
'use strict';

const GUTTER = 124;        // pixels for the lanes' names
const NODE_LANE_MIN = 70, NODE_LANE_MAX = 110, CLIENT_LANE = 22, FAULT_ROW = 15;
const ARROWS_MAX = 2500;   // more than so many visible arrows are drawn as a density
const POINTS_MAX = 1500;   // the same for events as points
const BAND = 17;           // height of a role's band

const ROLE_SIGN = {'leader': '★', 'candidate': '◆', 'pre-candidate': '◇', 'follower': '●'};
const DOWN_WORDS = {'power': '✕ no power', 'process': '✕ killed', 'stop': '✕ stopped by itself', 'given-up': '✕ given up'};
const MESSAGE_COLOURS = ['--m1', '--m2', '--m3', '--m4', '--m5', '--m6', '--m7', '--m8', '--m9', '--m10'];

function formatTime(us, step) {
  const digits = step === undefined ? 6 : Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step) + 1e-9)));
  return (us / 1e6).toFixed(digits);
}

class Timeline {
  constructor(story, view, canvas, axis, overview) {
    Object.assign(this, {story, view, canvas, axis, overview});
    this.patterns = {};
    this.drawn = {arrows: 0, density: false, points: 0, lanes: 0, frame_ms: 0};
  }

  // ---- Where things are

  layout() {
    const {story, view} = this;
    this.lanes = [];
    let y = 4;
    const add = (name, kind, height, extra) => {
      this.lanes.push(Object.assign({name, kind, y, height, anchor: y + height / 2}, extra));
      y += height;
    };
    add('fault', 'fault', 8 + FAULT_ROW * story.faultRows, {});
    // Nodes share the room that is there, within reason.
    let nodes = 0, clients = 0;
    for (let node = 1; node <= story.nodes; ++node) nodes += view.hiddenLanes.has('n' + node) ? 0 : 1;
    for (let client = 0; client < story.clients; ++client) clients += view.hiddenLanes.has('c' + client) ? 0 : 1;
    const room = this.canvas.parentElement.clientHeight - y - 8 - clients * CLIENT_LANE;
    this.nodeLane = Math.max(NODE_LANE_MIN, Math.min(NODE_LANE_MAX, Math.floor(room / Math.max(1, nodes))));
    for (let node = 1; node <= story.nodes; ++node) {
      if (!view.hiddenLanes.has('n' + node)) add('n' + node, 'node', this.nodeLane, {node});
    }
    for (let client = 0; client < story.clients; ++client) {
      if (!view.hiddenLanes.has('c' + client)) add('c' + client, 'client', CLIENT_LANE, {client});
    }
    for (const lane of this.lanes) if (lane.kind === 'node') lane.anchor = lane.y + BAND + 12;
    this.laneOf = story.laneNames.map((name) => this.lanes.find((lane) => lane.name === name));
    this.height = y + 6;
    this.drawn.lanes = this.lanes.length;
  }

  get width() { return this.canvas.clientWidth; }
  x(time) { return GUTTER + (time - this.view.t0) / (this.view.t1 - this.view.t0) * (this.width - GUTTER); }
  timeAt(x) { return this.view.t0 + (x - GUTTER) / (this.width - GUTTER) * (this.view.t1 - this.view.t0); }

  eventY(i) {
    const lane = this.laneOf[this.story.laneOf[i]];
    return lane ? lane.anchor : null;
  }

  // ---- Colours, as the style sheet has them

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colours = {};
    for (const name of ['--ground', '--lane', '--line', '--ink', '--faint', '--leader', '--candidate',
      '--pre-candidate', '--follower', '--on-leader', '--on-candidate', '--on-pre-candidate',
      '--on-follower', '--ok', '--fail', '--unknown', '--fault', '--down', '--pause', '--clock',
      '--group-a', '--group-b', '--proof', '--cursor', '--last', '--commit', '--applied', '--disk',
      '--lost', ...MESSAGE_COLOURS]) {
      this.colours[name.slice(2)] = style.getPropertyValue(name).trim();
    }
    this.patterns = {};
    this.font = '11px system-ui, "DejaVu Sans", sans-serif';
  }

  colourOfMessage(what) {
    if (what === 'client') return this.colours.faint;
    const kinds = this.story.messageKinds.filter((kind) => kind !== 'client');
    return this.colours['m' + (kinds.indexOf(what) % MESSAGE_COLOURS.length + 1)];
  }

  // Stripes in a direction: what is shaded is told apart without its colour too.
  stripes(g, colour, direction, gap) {
    const key = colour + direction + gap;
    if (!this.patterns[key]) {
      const tile = document.createElement('canvas');
      tile.width = tile.height = gap;
      const p = tile.getContext('2d');
      p.strokeStyle = colour;
      p.lineWidth = 1.4;
      p.beginPath();
      for (const shift of [-gap, 0, gap]) {
        if (direction === '/') { p.moveTo(shift, gap); p.lineTo(shift + gap, 0); }
        if (direction === '\\') { p.moveTo(shift, 0); p.lineTo(shift + gap, gap); }
        if (direction === '|') { p.moveTo(gap / 2, 0); p.lineTo(gap / 2, gap); }
        if (direction === '.') { p.rect(gap / 2, gap / 2, 1, 1); }
      }
      p.stroke();
      this.patterns[key] = g.createPattern(tile, 'repeat');
    }
    return this.patterns[key];
  }

  // ---- A frame

  prepare(canvas, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = height + 'px';
    }
    const g = canvas.getContext('2d');
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = this.font;
    g.textBaseline = 'middle';
    return g;
  }

  draw() {
    const begin = performance.now();
    this.layout();
    const g = this.prepare(this.canvas, this.height);
    this.findIndexRange();
    this.drawAxis();
    this.drawLanes(g);
    g.save();
    g.beginPath();
    g.rect(GUTTER, 0, this.width - GUTTER, this.height);
    g.clip();
    this.drawFaults(g);
    for (const lane of this.lanes) if (lane.kind === 'node') this.drawNode(g, lane);
    this.drawArrows(g);
    this.drawOperations(g);
    this.drawPoints(g);
    this.drawRelated(g);
    this.drawEnd(g);
    this.drawCursor(g);
    this.drawProof(g);
    g.restore();
    this.drawOverview();
    this.drawn.frame_ms = performance.now() - begin;
  }

  drawAxis() {
    const g = this.prepare(this.axis, 22);
    const {view, colours} = this;
    const span = view.t1 - view.t0;
    const wanted = span / Math.max(2, (this.width - GUTTER) / 110);
    let step = Math.pow(10, Math.ceil(Math.log10(Math.max(1, wanted))));
    for (const smaller of [step / 5, step / 2]) if (smaller >= wanted && smaller >= 1) { step = smaller; break; }
    this.tick = step;
    g.fillStyle = colours.ink;
    g.fillText('seconds', 8, 11);
    g.strokeStyle = colours.line;
    g.textAlign = 'center';
    for (let t = Math.ceil(view.t0 / step) * step; t <= view.t1; t += step) {
      const x = this.x(t);
      if (x < GUTTER) continue;
      g.beginPath();
      g.moveTo(x, 17);
      g.lineTo(x, 22);
      g.stroke();
      if (x > GUTTER + 18 && x < this.width - 22) g.fillText(formatTime(t, step), x, 9);
    }
    g.textAlign = 'left';
  }

  drawLanes(g) {
    const {colours, view} = this;
    this.lanes.forEach((lane, i) => {
      if (lane.kind === 'node' || i % 2) {
        g.fillStyle = colours.lane;
        g.fillRect(0, lane.y, this.width, lane.height - (lane.kind === 'node' ? 4 : 0));
      }
    });
    g.strokeStyle = colours.line;
    g.lineWidth = 1;
    g.globalAlpha = 0.5;
    g.beginPath();
    for (let t = Math.ceil(view.t0 / this.tick) * this.tick; t <= view.t1; t += this.tick) {
      const x = Math.round(this.x(t)) + 0.5;
      if (x < GUTTER) continue;
      g.moveTo(x, 0);
      g.lineTo(x, this.height);
    }
    g.stroke();
    g.globalAlpha = 1;
    const at = view.cursor;
    for (const lane of this.lanes) {
      g.fillStyle = colours.ink;
      if (lane.kind === 'fault') g.fillText('faults', 8, lane.y + lane.height / 2);
      if (lane.kind === 'client') g.fillText('client ' + lane.client, 8, lane.y + lane.height / 2);
      if (lane.kind === 'node') this.drawNodeName(g, lane, at);
    }
  }

  // Beside the lane: who it is, and what it was at the chosen moment.
  drawNodeName(g, lane, at) {
    const {colours, story} = this;
    const now = story.nodeSummaryAt(lane.node, at);
    g.font = 'bold 12px system-ui, "DejaVu Sans", sans-serif';
    g.fillText('n' + lane.node, 8, lane.y + 9);
    g.font = this.font;
    const line = (text, row, colour, x) => {
      g.fillStyle = colour;
      g.fillText(text, x || 8, lane.y + 9 + row * 13);
    };
    if (now.down) return line('✕ down', 0, colours.unknown, 30);
    if (!now.state) return;
    const s = now.state;
    line(now.paused ? '‖ paused' : ROLE_SIGN[s.role] + ' ' + s.role, 0, colours.ink, 30);
    line('term ' + s.term, 1, colours.ink);
    line('last ' + s.last, 2, colours.last);
    line('commit ' + s.commit, 3, colours.commit);
    line('applied ' + s.applied, 4, colours.applied);
  }

  visible(spell) { return spell.to >= this.view.t0 && spell.from <= this.view.t1; }

  // Left and right edge in pixels, kept within the lane so that labels can be.
  edges(spell) {
    const left = Math.max(GUTTER, this.x(spell.from));
    return [left, Math.max(left + 1.5, Math.min(this.width, this.x(spell.to)))];
  }

  label(g, text, left, right, y, colour) {
    if (right - left < 14) return;
    const width = g.measureText(text).width;
    if (width > right - left - 6) {
      const letters = Math.floor((right - left - 6) / (width / text.length)) - 1;
      if (letters < Math.min(7, text.length / 3)) return;
      text = text.slice(0, letters) + '…';
    }
    g.fillStyle = colour;
    g.fillText(text, left + 4, y);
  }

  drawFaults(g) {
    const {story, view, colours} = this;
    const bars = this.laneOf[0];
    const stacked = new Map();  // lane: how many bands are there already
    for (const fault of story.faults) {
      if (view.hiddenFaults.has(fault.what) || !this.visible(fault)) continue;
      const [left, right] = this.edges(fault);
      const y = bars.y + 4 + fault.row * FAULT_ROW;
      const clock = fault.what.startsWith('clock');
      const colour = clock ? colours.clock : fault.what.startsWith('crash') ? colours.unknown : colours.fault;
      g.globalAlpha = 0.28;
      g.fillStyle = colour;
      g.fillRect(left, y, right - left, FAULT_ROW - 2);
      g.globalAlpha = 1;
      g.fillStyle = colour;
      g.fillRect(left, y, 2.5, FAULT_ROW - 2);
      this.label(g, fault.text, left, right, y + FAULT_ROW / 2 - 1, colours.ink);
      this.shadeLanes(g, fault, left, right, stacked);
    }
  }

  // A fault lies over the lanes that it concerns: the groups of a partition are told apart by the
  // direction of their stripes, everything else by its label.
  shadeLanes(g, fault, left, right, stacked) {
    const {colours} = this;
    const band = (node, colour, direction, text) => {
      const lane = this.laneOf[this.story.nodeLane(node)];
      if (!lane) return;
      g.globalAlpha = 0.16;
      g.fillStyle = colour;
      g.fillRect(left, lane.y + BAND, right - left, this.nodeLane - 4 - BAND);
      g.globalAlpha = 0.55;
      g.fillStyle = this.stripes(g, colour, direction, 8);
      g.fillRect(left, lane.y + BAND, right - left, 5);
      g.fillRect(left, lane.y + this.nodeLane - 9, right - left, 5);
      g.globalAlpha = 1;
      const rows = stacked.get(node) || [];
      let row = rows.findIndex((end) => end <= left);
      if (row < 0) row = rows.length;
      if (row < 4) this.label(g, text, left, right, lane.y + this.nodeLane - 16 - row * 12, colours.ink);
      rows[row] = right;
      stacked.set(node, rows);
    };
    if (fault.client >= 0) {
      const lane = this.laneOf[this.story.clientLane(fault.client)];
      if (!lane) return;
      g.globalAlpha = 0.5;
      g.fillStyle = this.stripes(g, colours.fault, '/', 8);
      g.fillRect(left, lane.y + 1, right - left, lane.height - 2);
      g.globalAlpha = 1;
    } else if (fault.group) {
      for (let node = 1; node <= this.story.nodes; ++node) {
        const inside = Math.floor(fault.group / Math.pow(2, node - 1)) % 2 === 1;
        band(node, inside ? colours['group-a'] : colours['group-b'], inside ? '/' : '\\',
             fault.what + (inside ? ': this group' : ': the others'));
      }
    } else if (fault.node && fault.to > fault.from) {
      const clock = fault.what.startsWith('clock');
      const colour = clock ? colours.clock : fault.what === 'isolate' ? colours['group-a'] : colours.fault;
      const text = fault.peer ? fault.what + ' n' + fault.node + ', n' + fault.peer : fault.text.replace(/ node=\S+/, '').replace(/, which.*/, '');
      band(fault.node, colour, clock ? '.' : '/', text);
      if (fault.peer) band(fault.peer, colour, '\\', text);
    } else if (fault.node) {
      const lane = this.laneOf[this.story.nodeLane(fault.node)];
      if (!lane) return;
      g.fillStyle = fault.what.startsWith('clock') ? colours.clock : colours.unknown;
      g.fillRect(left - 1, lane.y + BAND, 2, this.nodeLane - 4 - BAND);
    }
  }

  drawNode(g, lane) {
    const {colours, story} = this;
    const of = story.byNode[lane.node];
    for (const spell of of.roles) {
      if (!this.visible(spell)) continue;
      const [left, right] = this.edges(spell);
      g.fillStyle = colours[spell.role];
      g.fillRect(left, lane.y, right - left, BAND);
      if (right - left < 5) continue;
      g.fillStyle = colours.ground;
      g.fillRect(left, lane.y, 1, BAND);
      const sign = ROLE_SIGN[spell.role];
      const ink = colours['on-' + spell.role];
      if (right - left < 60) this.label(g, sign + ' ' + spell.term, left, right, lane.y + BAND / 2 + 1, ink);
      else this.label(g, `${sign} ${spell.role}, term ${spell.term}`, left, right, lane.y + BAND / 2 + 1, ink);
    }
    this.drawIndexes(g, lane, of);
    this.drawDisk(g, lane, of.disk);
    for (const spell of of.down) {
      if (!this.visible(spell)) continue;
      const [left, right] = this.edges(spell);
      this.cover(g, lane, left, right, colours.down, '/', DOWN_WORDS[spell.what] || '✕ ' + spell.what);
    }
    for (const spell of of.paused) {
      if (!this.visible(spell)) continue;
      const [left, right] = this.edges(spell);
      this.cover(g, lane, left, right, colours.pause, '|', '‖ paused');
    }
  }

  cover(g, lane, left, right, colour, direction, text) {
    g.globalAlpha = 0.35;
    g.fillStyle = colour;
    g.fillRect(left, lane.y, right - left, lane.height - 4);
    g.globalAlpha = 0.5;
    g.fillStyle = this.stripes(g, colour, direction, 9);
    g.fillRect(left, lane.y, right - left, lane.height - 4);
    g.globalAlpha = 1;
    const width = Math.min(right - left - 4, g.measureText(text).width + 8);
    if (width > 40) {
      g.fillStyle = this.colours.ground;
      g.fillRect(left + 2, lane.y + 44, width, 14);
    }
    if (width > 40) this.label(g, text, left, right, lane.y + 51, this.colours.ink);
  }

  // Writes to log.db, and to state.db above; those that share a pixel are drawn once.
  drawDisk(g, lane, spells) {
    const ends = {log: -1, state: -1};
    for (const spell of spells) {
      if (!this.visible(spell)) continue;
      const file = spell.what === 'log' ? 'log' : 'state';
      const [left, right] = this.edges(spell);
      if (right <= ends[file] + 0.7) continue;
      ends[file] = right;
      g.fillStyle = file === 'log' ? this.colours.disk : this.colours.applied;
      g.fillRect(left, lane.y + lane.height - (file === 'log' ? 8 : 12), right - left, 3);
    }
  }

  // The last, committed and applied index as steps, one value for each pixel at most.
  drawIndexes(g, lane, of) {
    const {story, colours, view} = this;
    const bottom = lane.y + lane.height - 13, height = lane.height - BAND - 38;
    const low = this.indexLow, range = Math.max(1, this.indexHigh - low);
    const first = upperBound(of.stateTime, view.t0) - 1, last = upperBound(of.stateTime, view.t1) - 1;
    if (last < 0) return;
    // Places and which of the states holds there.
    const xs = [], at = [];
    const add = (x, state) => { xs.push(x); at.push(story.stateAt[of.stateEvent[state]]); };
    if (first >= 0) add(GUTTER, first);
    if (last - first <= this.width - GUTTER) {
      for (let i = first + 1; i <= last; ++i) add(this.x(of.stateTime[i]), i);
    } else {
      const perPixel = this.timeAt(GUTTER + 1) - this.timeAt(GUTTER);
      for (let x = GUTTER, i = Math.max(0, first); x <= this.width; ++x) {
        const until = view.t0 + (x - GUTTER) * perPixel;
        while (i < last && of.stateTime[i + 1] <= until) ++i;
        add(x, i);
      }
    }
    for (const [field, name, width] of [[4, 'last', 1], [6, 'commit', 1.6], [7, 'applied', 1]]) {
      g.strokeStyle = colours[name];
      g.lineWidth = width;
      g.setLineDash(name === 'applied' && xs.length < 300 ? [3, 2] : []);
      g.beginPath();
      let before = null;
      for (let i = 0; i < xs.length; ++i) {
        const y = bottom - (Math.max(low, story.states[at[i] + field]) - low) / range * height;
        if (before === null) g.moveTo(xs[i], y);
        else if (y !== before) { g.lineTo(xs[i], before); g.lineTo(xs[i], y); }
        before = y;
      }
      g.lineTo(this.width, before);
      g.stroke();
    }
    g.setLineDash([]);
  }

  // The indexes between which the steps are drawn: those of all nodes within the view.
  findIndexRange() {
    const {story, view} = this;
    let low = Infinity, high = 0;
    for (let node = 1; node <= story.nodes; ++node) {
      const of = story.byNode[node];
      const first = Math.max(0, upperBound(of.stateTime, view.t0) - 1);
      const last = upperBound(of.stateTime, view.t1) - 1;
      for (const at of [first, last]) {
        if (at < 0 || at >= of.stateEvent.length) continue;
        const s = story.stateAt[of.stateEvent[at]];
        low = Math.min(low, story.states[s + 7], story.states[s + 6]);
        high = Math.max(high, story.states[s + 4], story.states[s + 6]);
      }
    }
    this.indexLow = low === Infinity ? 0 : low;
    this.indexHigh = high;
  }

  shown(arrow) {
    return this.laneOf[arrow.from] && this.laneOf[arrow.to] &&
           (this.view.hiddenMessages.size === 0 || !this.view.hiddenMessages.has(arrow.what));
  }

  // Calls `each` for every arrow that is shown and touches [from, to].
  forArrows(from, to, each) {
    const {story} = this;
    const last = upperBound(story.arrowSent, to);
    for (let at = upperBound(story.arrowSent, from - story.longestArrow - 1); at < last; ++at) {
      const arrow = story.arrows[at];
      if (arrow.arrived >= from && this.shown(arrow)) each(arrow);
    }
  }

  drawArrows(g) {
    const {view} = this;
    const list = [];
    this.forArrows(view.t0, view.t1, (arrow) => { list.push(arrow); });
    this.drawn.arrows = list.length;
    this.drawn.density = list.length > ARROWS_MAX;
    if (this.drawn.density) return this.drawDensity(g, list);
    g.lineWidth = 1;
    const faint = list.length > 500 ? 0.45 : 0.8;
    for (const arrow of list) this.drawArrow(g, arrow, faint, 1);
    g.globalAlpha = 1;
  }

  drawArrow(g, arrow, alpha, width) {
    const {colours} = this;
    const from = this.laneOf[arrow.from], to = this.laneOf[arrow.to];
    let x1 = this.x(arrow.arrived), y1 = to.anchor;
    const x0 = this.x(arrow.sent), y0 = from.anchor;
    if (arrow.lost) {
      // Ends in a cross where it was lost: a part of the way if it never left, nearly there else.
      const way = arrow.arrived > arrow.sent ? 0.85 : 0.3;
      y1 = y0 + (y1 - y0) * way;
      if (arrow.arrived === arrow.sent) x1 = x0 + 9;
    }
    g.globalAlpha = alpha;
    g.strokeStyle = arrow.lost ? colours.lost : this.colourOfMessage(arrow.what);
    g.lineWidth = width;
    g.setLineDash(arrow.lost ? [3, 3] : arrow.what === 'client' ? [1, 2] : []);
    g.beginPath();
    g.moveTo(x0, y0);
    g.lineTo(x1, y1);
    g.stroke();
    g.setLineDash([]);
    g.beginPath();
    if (arrow.lost) {
      g.moveTo(x1 - 3, y1 - 3); g.lineTo(x1 + 3, y1 + 3);
      g.moveTo(x1 + 3, y1 - 3); g.lineTo(x1 - 3, y1 + 3);
      g.stroke();
    } else {
      const angle = Math.atan2(y1 - y0, x1 - x0);
      for (const side of [-0.4, 0.4]) {
        g.moveTo(x1, y1);
        g.lineTo(x1 - 6 * Math.cos(angle + side), y1 - 6 * Math.sin(angle + side));
      }
      g.stroke();
    }
    g.globalAlpha = 1;
  }

  // How many messages each lane sent and received, by columns of four pixels; what was lost below.
  drawDensity(g, list) {
    const {colours} = this;
    const columns = Math.ceil((this.width - GUTTER) / 4) + 1;
    const counts = this.story.laneNames.map(() => null);
    const scale = (this.width - GUTTER) / (this.view.t1 - this.view.t0) / 4, t0 = this.view.t0;
    const add = (lane, time, lost) => {
      const column = Math.floor((time - t0) * scale);
      if (column < 0 || column >= columns) return;
      const of = counts[lane] || (counts[lane] = {all: new Float64Array(columns), lost: new Float64Array(columns)});
      if (lost) ++of.lost[column]; else ++of.all[column];
    };
    for (const arrow of list) {
      add(arrow.from, arrow.sent, arrow.lost);
      if (!arrow.lost) add(arrow.to, arrow.arrived, false);
    }
    let most = 1;
    for (const of of counts) if (of) for (const count of of.all) if (count > most) most = count;
    counts.forEach((of, number) => {
      if (!of) return;
      const {all, lost} = of;
      const lane = this.laneOf[number];
      const height = lane.kind === 'node' ? 12 : 8;
      const bar = (count, sign, colour) => Math.max(1.5, Math.log1p(count) / Math.log1p(most) * height) * sign;
      g.globalAlpha = 0.6;
      g.fillStyle = colours.m1;
      for (let i = 0; i < columns; ++i) {
        if (all[i]) g.fillRect(GUTTER + i * 4, lane.anchor, 3, -bar(all[i], 1));
      }
      g.fillStyle = colours.lost;
      for (let i = 0; i < columns; ++i) {
        if (lost[i]) g.fillRect(GUTTER + i * 4, lane.anchor + 1, 3, bar(lost[i], 0.7));
      }
    });
    g.globalAlpha = 1;
  }

  drawOperations(g) {
    const {story, colours, view} = this;
    const ends = [];  // by client: what is drawn up to where; those that share a pixel are drawn once
    for (const operation of story.operationList) {
      if (operation.to < view.t0 || operation.from > view.t1) continue;
      const lane = this.laneOf[story.clientLane(operation.client)];
      if (!lane) continue;
      const [left, right] = this.edges(operation);
      if (right - left < 2 && right <= (ends[operation.client] || 0) + 0.7) continue;
      ends[operation.client] = right;
      const colour = {ok: colours.ok, fail: colours.fail, unknown: colours.unknown}[operation.outcome] || colours.faint;
      g.globalAlpha = 0.75;
      g.fillStyle = colour;
      if (operation.outcome === 'ok') {
        g.fillRect(left, lane.y + 5, right - left, CLIENT_LANE - 10);
      } else {
        g.globalAlpha = 0.9;
        if (operation.return >= 0) {  // else it is under way to the end of the run
          g.fillStyle = this.stripes(g, colour, operation.outcome === 'fail' ? '\\' : '/', 6);
          g.fillRect(left, lane.y + 5, right - left, CLIENT_LANE - 10);
        }
        g.strokeStyle = colour;
        g.lineWidth = 1;
        g.strokeRect(left + 0.5, lane.y + 5.5, Math.max(1, right - left - 1), CLIENT_LANE - 11);
      }
      g.globalAlpha = 1;
      if (right - left > 40) {
        const text = story.text(operation.invoke).replace('begins ', '');
        g.font = '10px system-ui, "DejaVu Sans", sans-serif';
        if (operation.outcome !== 'ok' && operation.return >= 0) {
          g.fillStyle = colours.ground;
          g.fillRect(left + 3, lane.y + 7, Math.min(right - left - 6, g.measureText(text).width + 3), CLIENT_LANE - 14);
        }
        this.label(g, text, left, right, lane.y + CLIENT_LANE / 2 + 0.5,
                   operation.outcome === 'ok' ? colours.ground : colours.ink);
        g.font = this.font;
      }
    }
  }

  // Events as points once they are few enough, except those that other marks show.
  drawPoints(g) {
    const {story, view, colours} = this;
    const first = upperBound(story.time, view.t0 - 1), last = upperBound(story.time, view.t1);
    this.drawn.points = 0;
    const K = story.KIND;
    const few = last - first <= POINTS_MAX;
    const from = few ? first : upperBound(story.noticeTime, view.t0 - 1);
    const to = few ? last : upperBound(story.noticeTime, view.t1);
    for (let at = from; at < to; ++at) {
      const i = few ? at : story.notices[at];
      const kind = story.kind[i];
      const notice = kind === K.notice;
      if (!view.shows(i)) continue;
      const y = this.eventY(i);
      if (y === null || kind === K.verdict) continue;
      const x = this.x(story.time[i]);
      if (notice) {
        const what = story.what(i);
        const sign = {'became-leader': '★', 'truncated-log': '✂', 'snapshot-installed': '⬇',
                      'snapshot-rejected': '⚠', 'stepped-down': '▽'}[what];
        if (!sign && !few) continue;
        if (sign) {
          g.fillStyle = colours.ink;
          g.font = '13px system-ui, "DejaVu Sans", sans-serif';
          g.textAlign = 'center';
          g.fillText(sign, x, y - 1);
          g.textAlign = 'left';
          g.font = this.font;
          continue;
        }
      }
      ++this.drawn.points;
      g.fillStyle = colours.ink;
      g.beginPath();
      g.arc(x, y, kind === K.state ? 1.4 : 2.1, 0, 7);
      g.fill();
    }
    for (const i of view.matches) {
      if (story.time[i] < view.t0 || story.time[i] > view.t1) continue;
      const y = this.eventY(i);
      if (y === null) continue;
      g.strokeStyle = colours.cursor;
      g.lineWidth = 1.5;
      g.strokeRect(this.x(story.time[i]) - 4, y - 4, 8, 8);
    }
  }

  ring(g, i, colour, radius) {
    const y = this.eventY(i);
    if (y === null) return;
    g.strokeStyle = colour;
    g.lineWidth = 2;
    g.beginPath();
    g.arc(this.x(this.story.time[i]), y, radius, 0, 7);
    g.stroke();
  }

  drawRelated(g) {
    const {story, view, colours} = this;
    if (view.cursor < 0) return;
    const chain = new Set([view.cursor, ...story.relatedTo(view.cursor)]);
    this.forArrows(view.t0, view.t1, (arrow) => {
      if (chain.has(arrow.sendEvent) && chain.has(arrow.endEvent)) this.drawArrow(g, arrow, 1, 2.6);
    });
    for (const i of chain) this.ring(g, i, colours.cursor, i === view.cursor ? 6 : 4.5);
  }

  // Rings with the numbers of the proof's list, and a faint line through all lanes.
  drawProof(g) {
    const {story, view, colours} = this;
    const used = [], badges = [];
    story.proof.forEach((i, number) => {
      if (story.time[i] < view.t0 || story.time[i] > view.t1) return;
      const x = this.x(story.time[i]), y = this.eventY(i);
      g.strokeStyle = colours.proof;
      g.globalAlpha = 0.5;
      g.lineWidth = 1;
      g.setLineDash([4, 3]);
      g.beginPath();
      g.moveTo(x, 0);
      g.lineTo(x, this.height);
      g.stroke();
      g.setLineDash([]);
      g.globalAlpha = 1;
      if (y === null) return;
      const operation = (story.kind[i] === story.KIND.invoke || story.kind[i] === story.KIND.return) &&
                        story.operations.get(story.number[i]);
      if (operation) {
        const [left, right] = this.edges(operation);
        const lane = this.laneOf[story.clientLane(operation.client)];
        g.strokeStyle = colours.proof;
        g.lineWidth = 2.5;
        g.strokeRect(left - 1, lane.y + 2.5, right - left + 2, CLIENT_LANE - 5);
      }
      this.ring(g, i, colours.proof, 8);
      // Badges of events at one place stand beside each other.
      let bx = x + 10;
      while (used.some(([ux, uy]) => Math.abs(ux - bx) < 16 && Math.abs(uy - y) < 14)) bx += 17;
      used.push([bx, y]);
      badges.push([bx, y - 11, String(number + 1)]);
    });
    g.textAlign = 'center';
    g.font = 'bold 10px system-ui, "DejaVu Sans", sans-serif';
    for (const [x, y, number] of badges) {
      g.fillStyle = colours.proof;
      g.beginPath();
      g.arc(x, y, 7.5, 0, 7);
      g.fill();
      g.fillStyle = colours.ground;
      g.fillText(number, x, y + 0.5);
    }
    g.textAlign = 'left';
    g.font = this.font;
  }

  // Nothing is known of what would come after.
  drawEnd(g) {
    const x = this.x(this.story.end);
    if (x >= this.width) return;
    g.fillStyle = this.colours.ground;
    g.fillRect(x + 1, 0, this.width - x, this.height);
    g.strokeStyle = this.colours.faint;
    g.lineWidth = 1;
    g.beginPath();
    g.moveTo(x + 1.5, 0);
    g.lineTo(x + 1.5, this.height);
    g.stroke();
    if (this.width - x > 70) {
      g.fillStyle = this.colours.faint;
      g.fillText('end', x + 8, 12);
    }
  }

  drawCursor(g) {
    const {story, view, colours} = this;
    if (view.cursor < 0) return;
    const x = this.x(story.time[view.cursor]);
    g.strokeStyle = colours.cursor;
    g.lineWidth = 1.5;
    g.beginPath();
    g.moveTo(x, 0);
    g.lineTo(x, this.height);
    g.stroke();
  }

  // The whole run in a strip: how much happened, who led, faults, the proof, and what is in view.
  drawOverview() {
    const g = this.prepare(this.overview, 46);
    const {story, view, colours} = this;
    const width = this.width - GUTTER;
    const x = (time) => GUTTER + time / Math.max(1, story.end) * width;
    g.fillStyle = colours.ink;
    g.fillText('whole run', 8, 14);
    g.fillStyle = colours.faint;
    g.fillText(formatTime(story.end, 1e4) + ' s', 8, 30);
    if (!this.eventDensity || this.eventDensity.length !== Math.ceil(width)) {
      this.eventDensity = new Float64Array(Math.max(1, Math.ceil(width)));
      for (let i = 0; i < story.count; ++i) {
        ++this.eventDensity[Math.min(this.eventDensity.length - 1, Math.floor(story.time[i] / Math.max(1, story.end) * width))];
      }
    }
    const most = Math.log1p(this.eventDensity.reduce((a, b) => Math.max(a, b), 1));
    g.fillStyle = colours.m1;
    g.globalAlpha = 0.6;
    this.eventDensity.forEach((count, i) => {
      if (count) g.fillRect(GUTTER + i, 30, 1, -Math.log1p(count) / most * 26);
    });
    g.globalAlpha = 1;
    for (let node = 1; node <= story.nodes; ++node) {
      for (const spell of story.byNode[node].roles) {
        if (spell.role !== 'leader') continue;
        g.fillStyle = colours.leader;
        g.fillRect(x(spell.from), 32, Math.max(1, x(spell.to) - x(spell.from)), 4);
      }
    }
    g.fillStyle = colours.fault;
    for (const fault of story.faults) {
      g.fillRect(x(fault.from), 38, Math.max(1, x(fault.to) - x(fault.from)), 4);
    }
    g.fillStyle = colours.proof;
    for (const i of story.proof) {
      g.beginPath();
      g.moveTo(x(story.time[i]) - 5, 0);
      g.lineTo(x(story.time[i]) + 5, 0);
      g.lineTo(x(story.time[i]), 9);
      g.fill();
    }
    g.strokeStyle = colours.cursor;
    g.lineWidth = 1.5;
    const left = Math.max(GUTTER, x(view.t0)), right = Math.min(this.width - 1, x(view.t1));
    g.globalAlpha = 0.12;
    g.fillStyle = colours.cursor;
    g.fillRect(left, 1, Math.max(2, right - left), 43);
    g.globalAlpha = 1;
    g.strokeRect(left, 1, Math.max(2, right - left), 43);
  }

  // ---- What is at a place

  // The event nearest to a place, preferring what is drawn there; -1 if nothing is.
  eventAt(px, py) {
    const {story, view} = this;
    let best = -1, distance = 81;
    const reach = this.timeAt(px + 9) - this.timeAt(px);
    const time = this.timeAt(px);
    const offer = (i, d) => {
      if (d < distance) { distance = d; best = i; }
    };
    const last = upperBound(story.time, time + reach);
    let seen = 0;
    for (let i = upperBound(story.time, time - reach); i < last && seen < 20000; ++i, ++seen) {
      if (!view.shows(i)) continue;
      const y = this.eventY(i);
      if (y === null) continue;
      const dx = this.x(story.time[i]) - px, dy = y - py;
      offer(i, dx * dx + dy * dy - (story.proof.includes(i) ? 30 : 0));
    }
    if (best >= 0) return best;
    for (const operation of story.operationList) {
      const lane = this.laneOf[story.clientLane(operation.client)];
      if (lane && py >= lane.y && py < lane.y + lane.height && operation.from <= time && operation.to >= time) return operation.invoke;
    }
    for (const fault of story.faults) {
      const lane = this.laneOf[0];
      if (py >= lane.y + 4 + fault.row * FAULT_ROW && py < lane.y + 4 + (fault.row + 1) * FAULT_ROW &&
          fault.from <= time + reach && fault.to >= time - reach && !view.hiddenFaults.has(fault.what)) return fault.event;
    }
    if (this.drawn.density) return -1;
    distance = 36;
    this.forArrows(view.t0, view.t1, (arrow) => {
      const x0 = this.x(arrow.sent), x1 = this.x(arrow.arrived);
      const y0 = this.laneOf[arrow.from].anchor, y1 = this.laneOf[arrow.to].anchor;
      const length = (x1 - x0) ** 2 + (y1 - y0) ** 2 || 1;
      const along = Math.max(0, Math.min(1, ((px - x0) * (x1 - x0) + (py - y0) * (y1 - y0)) / length));
      const d = (x0 + along * (x1 - x0) - px) ** 2 + (y0 + along * (y1 - y0) - py) ** 2;
      offer(arrow.sendEvent, d);
    });
    return best;
  }
}
