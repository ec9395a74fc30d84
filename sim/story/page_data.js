// The data of the page: unpacks what page.cc packed, and derives from it what is drawn. Nothing here
// touches the document.
'use strict';

// Runs of numbers given as differences become the numbers.
function runningSum(differences) {
  const sums = new Float64Array(differences.length);
  let sum = 0;
  for (let i = 0; i < sums.length; ++i) sums[i] = sum += differences[i];
  return sums;
}

// Where each text's numbers begin in a row of all numbers.
function numberOffsets(templateOf, holes) {
  const offsets = new Uint32Array(templateOf.length + 1);
  for (let i = 0; i < templateOf.length; ++i) offsets[i + 1] = offsets[i] + holes[templateOf[i]];
  return offsets;
}

function fillTemplate(template, numbers, at) {
  let text = template[0];
  for (let i = 1; i < template.length; ++i) text += numbers[at + i - 1] + template[i];
  return text;
}

// The first position in a sorted array whose value is greater than `value`.
function upperBound(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1; else high = middle;
  }
  return low;
}

const ROLES = ['', 'follower', 'pre-candidate', 'candidate', 'leader'];

class Story {
  constructor(packed) {
    this.packed = packed;
    this.nodes = packed.nodes;
    this.clients = packed.clients;
    this.proof = packed.proof;
    this.count = packed.t.length;
    this.time = runningSum(packed.t);  // microseconds
    this.kind = Uint8Array.from(packed.kind);
    this.node = Uint8Array.from(packed.node);
    this.peer = Uint8Array.from(packed.peer);
    this.client = Int32Array.from(packed.client, (c) => c - 1);
    this.kinds = packed.kinds;
    this.KIND = {};
    packed.kinds.forEach((name, number) => { this.KIND[name.replace(/-/g, '_')] = number; });
    this.templates = packed.templates.map((template) => template.split('\u0001'));
    const holes = this.templates.map((template) => template.length - 1);
    this.textAt = numberOffsets(packed.text, holes);
    this.entryAt = numberOffsets(packed.entry_text, holes);
    this.end = this.count ? this.time[this.count - 1] : 0;
    this.nameLanes();
    this.unpackNumbers();
    this.unpackLogs();
    this.derive();
  }

  what(i) { return this.packed.strings[this.packed.what[i]]; }
  term(i) { return this.packed.term[i]; }
  index(i) { return this.packed.index[i]; }
  kindName(i) { return this.kinds[this.kind[i]]; }
  text(i) {
    return fillTemplate(this.templates[this.packed.text[i]], this.packed.text_numbers, this.textAt[i]);
  }
  entryText(entry) {
    return fillTemplate(this.templates[this.packed.entry_text[entry]], this.packed.entry_numbers,
                        this.entryAt[entry]);
  }
  entryIndex(entry) { return this.packed.entry_index[entry]; }
  entryTerm(entry) { return this.packed.entry_term[entry]; }

  unpackNumbers() {
    const last = new Float64Array(this.kinds.length);
    this.number = new Float64Array(this.count);
    for (let i = 0; i < this.count; ++i) {
      this.number[i] = last[this.kind[i]] += this.packed.number[i];
    }
    // Of each event with a state: role, term, vote, leader, last, durable, commit, applied.
    this.stateAt = new Int32Array(this.count).fill(-1);
    const states = Float64Array.from(this.packed.states);
    const before = Array.from({length: this.nodes + 1}, () => new Float64Array(8));
    for (let i = 0, at = 0; i < this.count; ++i) {
      if (this.kind[i] !== this.KIND.state) continue;
      const running = before[this.node[i]];
      for (let j = 0; j < 8; ++j) states[at + j] = running[j] += states[at + j];
      this.stateAt[i] = at;
      at += 8;
    }
    this.states = states;
  }

  // The entries that a start or an append brings, by event.
  unpackLogs() {
    const {logs} = this.packed;
    this.entriesOf = new Map();
    let at = 0;
    for (let i = 0; i < this.count; ++i) {
      if (this.kind[i] !== this.KIND.start && this.kind[i] !== this.KIND.append) continue;
      const entries = [];
      for (let runs = logs[at++]; runs > 0; --runs, at += 2) {
        for (let j = 0; j < logs[at + 1]; ++j) entries.push(logs[at] + j);
      }
      this.entriesOf.set(i, entries);
    }
  }

  state(i) {
    const at = this.stateAt[i];
    if (at < 0) return null;
    const s = this.states;
    return {role: ROLES[s[at]], term: s[at + 1], vote: s[at + 2], leader: s[at + 3], last: s[at + 4],
            durable: s[at + 5], commit: s[at + 6], applied: s[at + 7]};
  }

  isClientLane(i) {
    const k = this.kind[i], K = this.KIND;
    return k === K.invoke || k === K.return || k === K.request || k === K.reply;
  }
  isFaultLane(i) {
    const k = this.kind[i], K = this.KIND;
    return k === K.fault || k === K.fault_end || k === K.heal;
  }
  // Whose lane the event belongs to: "fault", "end", "n2" or "c0". Lanes have numbers, which are
  // quicker to compare, and these names.
  lane(i) { return this.laneNames[this.laneOf[i]]; }
  nameLanes() {
    this.laneNames = ['fault', 'end'];
    for (let node = 1; node <= this.nodes; ++node) this.laneNames.push('n' + node);
    for (let client = 0; client < this.clients; ++client) this.laneNames.push('c' + client);
    this.laneOf = new Uint16Array(this.count);
    for (let i = 0; i < this.count; ++i) {
      this.laneOf[i] = this.isClientLane(i) ? this.clientLane(this.client[i])
          : this.isFaultLane(i) ? 0 : this.kind[i] === this.KIND.verdict ? 1 : this.nodeLane(this.node[i]);
    }
  }
  nodeLane(node) { return 1 + node; }
  clientLane(client) { return 2 + this.nodes + client; }

  derive() {
    const K = this.KIND;
    // By node: events with a state; spells of one role and term; of being down; of a pause; of disk
    // work. A spell is {from, to, ...} in microseconds.
    this.byNode = Array.from({length: this.nodes + 1}, () => ({
      stateTime: [], stateEvent: [], roles: [], down: [], paused: [], disk: [], logEvents: []}));
    // Arrows: {from, to: lanes, sent, arrived: times, sendEvent, endEvent, what, lost}
    this.arrows = [];
    this.operations = new Map();  // by number: {client, from, to, outcome, invoke, return}
    this.faults = [];
    this.maxIndex = 1;
    const open = {role: [], down: [], pause: [], log: [], state: []};
    const sends = new Map(), requests = new Map(), answers = new Map(), faults = new Map();
    this.related = new Map();  // "m12", "r3", "o4": events of a message, request or operation
    const relate = (key, i) => {
      const list = this.related.get(key);
      if (list) list.push(i); else this.related.set(key, [i]);
    };
    const close = (kind, node, now, event) => {
      if (open[kind][node]) Object.assign(open[kind][node], {to: now, endEvent: event});
      open[kind][node] = null;
    };
    const begin = (kind, node, spell, list) => {
      spell.to = this.end;
      spell.endEvent = this.count;  // which is none
      open[kind][node] = spell;
      list.push(spell);
    };
    for (let i = 0; i < this.count; ++i) {
      const now = this.time[i], node = this.node[i], of = this.byNode[node], n = this.number[i];
      switch (this.kind[i]) {
        case K.start:
          close('down', node, now, i);
          of.logEvents.push(i);
          break;
        case K.crash:
          for (const kind of ['role', 'log', 'state', 'down']) close(kind, node, now, i);
          begin('down', node, {from: now, what: this.what(i), event: i}, of.down);
          break;
        case K.pause:
          if (!open.pause[node]) begin('pause', node, {from: now, event: i}, of.paused);
          break;
        case K.resume:
          close('pause', node, now, i);
          break;
        case K.state: {
          const s = this.state(i), role = open.role[node];
          of.stateTime.push(now);
          of.stateEvent.push(i);
          this.maxIndex = Math.max(this.maxIndex, s.last, s.commit);
          if (!role || role.role !== s.role || role.term !== s.term) {
            close('role', node, now);
            begin('role', node, {from: now, role: s.role, term: s.term, event: i}, of.roles);
          }
          break;
        }
        case K.append: case K.reset: case K.compact: case K.vote:
          of.logEvents.push(i);
          break;
        case K.log_begin:
          close('log', node, now);
          begin('log', node, {from: now, event: i, what: 'log'}, of.disk);
          break;
        case K.log_end:
          close('log', node, now);
          of.logEvents.push(i);
          break;
        case K.state_begin:
          close('state', node, now);
          begin('state', node, {from: now, event: i, what: this.what(i)}, of.disk);
          break;
        case K.state_end:
          close('state', node, now);
          break;
        case K.send:
          sends.set(n, i);
          relate('m' + n, i);
          break;
        case K.receive: case K.lost: case K.duplicate: {
          if (this.client[i] >= 0) {
            relate('r' + n, i);
            const sent = answers.has(n) ? answers.get(n) : requests.get(n);
            if (sent !== undefined) this.addArrow(sent, i, 'client', true);
            break;
          }
          relate('m' + n, i);
          const sent = sends.get(n);
          if (sent !== undefined && this.kind[i] !== K.duplicate) {
            this.addArrow(sent, i, this.what(i), this.kind[i] === K.lost);
          }
          break;
        }
        case K.invoke:
          this.operations.set(n, {client: this.client[i], from: now, to: this.end,
                                  outcome: 'under way', invoke: i, return: -1, number: n});
          relate('o' + n, i);
          break;
        case K.return: {
          const operation = this.operations.get(n);
          if (operation) Object.assign(operation, {to: now, outcome: this.what(i), return: i});
          relate('o' + n, i);
          break;
        }
        case K.request: case K.arrive: case K.answer: case K.reply: {
          relate('r' + n, i);
          if (this.packed.operation[i]) relate('o' + (this.packed.operation[i] - 1), i);
          if (this.kind[i] === K.request) requests.set(n, i);
          if (this.kind[i] === K.answer) answers.set(n, i);
          if (this.kind[i] === K.arrive && requests.has(n)) this.addArrow(requests.get(n), i, 'client', false);
          if (this.kind[i] === K.reply && answers.has(n)) this.addArrow(answers.get(n), i, 'client', false);
          break;
        }
        case K.fault: {
          const fault = {what: this.what(i), node, peer: this.peer[i], group: this.packed.group[i],
                         client: this.client[i],
                         from: now, to: now, event: i, text: this.text(i), number: n};
          // Until it is told to end; those that end by themselves as long as they say.
          const lasts = / for=([0-9.]+)/.exec(fault.text);
          if (lasts) fault.to = Math.min(this.end, now + Number(lasts[1]) * 1e6);
          faults.set(n, fault);
          this.faults.push(fault);
          break;
        }
        case K.fault_end:
          if (faults.has(n)) faults.get(n).to = now;
          break;
      }
    }
    this.arrows.sort((a, b) => a.sent - b.sent);
    this.arrowSent = Float64Array.from(this.arrows, (arrow) => arrow.sent);
    this.notices = [];
    for (let i = 0; i < this.count; ++i) if (this.kind[i] === K.notice) this.notices.push(i);
    this.noticeTime = Float64Array.from(this.notices, (i) => this.time[i]);
    this.longestArrow = this.arrows.reduce((most, arrow) => Math.max(most, arrow.arrived - arrow.sent), 0);
    this.messageKinds = [...new Set(this.arrows.map((arrow) => arrow.what))].sort();
    this.faultKinds = [...new Set(this.faults.map((fault) => fault.what))].sort();
    this.operationList = [...this.operations.values()];
    this.stackFaults();
    this.buildRequestsOfOperations();
  }

  addArrow(sendEvent, endEvent, what, lost) {
    const from = this.laneOf[sendEvent];
    const to = !lost ? this.laneOf[endEvent]
        : this.client[endEvent] < 0 ? this.nodeLane(this.peer[endEvent])
        : this.isClientLane(sendEvent) ? this.nodeLane(this.node[endEvent]) : this.clientLane(this.client[endEvent]);
    this.arrows.push({from, to, sent: this.time[sendEvent], arrived: this.time[endEvent], sendEvent,
                      endEvent, what, lost});
  }

  // Rows for faults that overlap in time.
  stackFaults() {
    const ends = [];
    for (const fault of this.faults) {
      let row = ends.findIndex((end) => end <= fault.from);
      if (row < 0) row = Math.min(ends.length, 3);
      ends[row] = Math.max(ends[row] || 0, fault.to + this.end / 200);
      fault.row = row;
    }
    this.faultRows = Math.max(1, ends.length);
  }

  // Arrivals and answers know their request only: bring them to its operation.
  buildRequestsOfOperations() {
    for (const [key, events] of this.related) {
      if (key[0] !== 'r') continue;
      const operation = this.packed.operation[events[0]];
      if (!operation) continue;
      const list = this.related.get('o' + (operation - 1));
      if (list) for (const i of events) if (!list.includes(i)) list.push(i);
    }
    for (const [key, events] of this.related) if (key[0] === 'o') events.sort((a, b) => a - b);
  }

  // Events that belong together with event i: the same message; the request and its operation; the
  // write and what made it durable; the same fault.
  relatedTo(i) {
    const K = this.KIND, n = this.number[i];
    const found = new Set();
    const add = (list) => { for (const j of list || []) if (j !== i) found.add(j); };
    switch (this.kind[i]) {
      case K.send: case K.receive: case K.duplicate:
        add(this.related.get('m' + n));
        break;
      case K.lost:
        add(this.related.get((this.client[i] >= 0 ? 'r' : 'm') + n));
        break;
      case K.request: case K.arrive: case K.answer: case K.reply: {
        add(this.related.get('r' + n));
        const first = this.related.get('r' + n)[0];
        const operation = this.packed.operation[first];
        if (operation) add((this.related.get('o' + (operation - 1)) || []).filter(
            (j) => this.kind[j] === K.invoke || this.kind[j] === K.return));
        break;
      }
      case K.invoke: case K.return:
        add(this.related.get('o' + n));
        break;
      case K.vote: case K.reset: case K.append: case K.compact:
        add([this.nextOf(i, (j) => this.kind[j] === K.log_end && this.number[j] >= n)]);
        break;
      case K.log_begin: case K.state_begin:
        add([this.nextOf(i, (j) => this.kind[j] === this.kind[i] + 1 && this.number[j] >= n)]);
        break;
      case K.log_end: case K.state_end:
        for (let j = i - 1; j >= 0; --j) {
          if (this.node[j] === this.node[i] && this.kind[j] === this.kind[i] - 1) {
            found.add(j);
            break;
          }
        }
        break;
      case K.fault: case K.fault_end:
        for (let j = 0; j < this.count; ++j) {
          if ((this.kind[j] === K.fault || this.kind[j] === K.fault_end) && this.number[j] === n) add([j]);
        }
        break;
    }
    found.delete(-1);
    return [...found].sort((a, b) => a - b);
  }

  // The next event of the same node that `fits`, before it crashes; -1 if there is none.
  nextOf(i, fits) {
    for (let j = i + 1; j < this.count; ++j) {
      if (this.isClientLane(j) || this.node[j] !== this.node[i]) continue;
      if (this.kind[j] === this.KIND.crash) return -1;
      if (fits(j)) return j;
    }
    return -1;
  }

  // What a node was just after event i: its state, its log in memory and what of it is on its disk.
  // Logs are {base, baseTerm, entries}, of which entries[0] has index base + 1.
  nodeAt(node, i) {
    const K = this.KIND, of = this.byNode[node];
    const result = Object.assign(this.nodeSummaryAt(node, i), {
      node, memory: {base: 0, baseTerm: 0, entries: []}, disk: {base: 0, baseTerm: 0, entries: []}});
    const last = upperBound(of.logEvents, i);
    let from = last;
    while (from > 0 && this.kind[of.logEvents[from - 1]] !== K.start) --from;
    from = Math.max(0, from - 1);
    let pending = [];
    for (let at2 = from; at2 < last; ++at2) {
      const event = of.logEvents[at2];
      if (this.kind[event] === K.log_end) {
        while (pending.length && this.number[pending[0]] <= this.number[event]) {
          this.applyLog(result.disk, pending.shift());
        }
        continue;
      }
      this.applyLog(result.memory, event);
      if (this.kind[event] === K.start) {
        pending = [];
        this.applyLog(result.disk, event);
      } else {
        pending.push(event);
      }
    }
    return result;
  }

  // The same without the log, which takes longer.
  nodeSummaryAt(node, i) {
    const of = this.byNode[node];
    if (i < 0) return {state: null, down: null, paused: false};
    const at = upperBound(of.stateEvent, i);
    const during = (spell) => spell.event <= i && i < spell.endEvent;
    return {state: at ? this.state(of.stateEvent[at - 1]) : null, down: of.down.find(during) || null,
            paused: of.paused.some(during)};
  }

  applyLog(log, i) {
    const K = this.KIND;
    switch (this.kind[i]) {
      case K.start:
      case K.reset:
        log.base = this.index(i);
        log.baseTerm = this.packed.base_term[i];
        log.entries = this.kind[i] === K.start ? this.entriesOf.get(i).slice() : [];
        break;
      case K.append:
        log.entries.length = Math.max(0, this.index(i) - log.base - 1);
        for (const entry of this.entriesOf.get(i)) log.entries.push(entry);
        break;
      case K.compact:
        log.entries.splice(0, this.index(i) - log.base);
        log.base = this.index(i);
        log.baseTerm = this.packed.base_term[i];
        break;
    }
  }
}
