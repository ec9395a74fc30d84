// The panel beside the timeline: the chosen event in words with what belongs to it, and every node's
// log at that moment.
'use strict';

const CELL_WIDTH = 29;  // pixels, with the space between

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === 'onclick') made.addEventListener('click', value);
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  // Text nodes only: nothing that a run says is ever read as HTML.
  for (const child of children) made.append(child);
  return made;
}

class Panel {
  constructor(story, details, steps, choose) {
    Object.assign(this, {story, details, steps, choose});
    this.firstCell = null;  // null: where the logs end
  }

  eventLine(i, mark) {
    const {story} = this;
    return element('li', {},
      element('button', {class: 'event', 'data-event': i, onclick: () => this.choose(i)},
        element('span', {class: 'when'}, formatTime(story.time[i])), ' ',
        element('b', {}, this.who(i)), ' ', mark ? element('span', {class: 'badge'}, mark) : '', ' ',
        this.short(story.text(i))));
  }

  short(text) {
    const line = text.split('\n')[0];
    return line.length > 150 ? line.slice(0, 149) + '…' : line;
  }

  who(i) {
    const lane = this.story.lane(i);
    return lane === 'fault' ? 'fault' : lane === 'end' ? 'end' : lane;
  }

  show(i) {
    this.details.replaceChildren();
    if (i >= 0) this.showDetails(i);
    this.showSteps(i);
  }

  showDetails(i) {
    const {story} = this;
    const proven = story.proof.indexOf(i);
    const facts = [['time', formatTime(story.time[i]) + ' s'], ['event', `${i + 1} of ${story.count}`],
                   ['kind', story.kindName(i) + (story.what(i) && story.kindName(i) !== 'verdict' ? ', ' + story.what(i) : '')]];
    if (story.term(i)) facts.push(['term', story.term(i)]);
    if (story.index(i)) facts.push(['index', story.index(i)]);
    const list = element('dl', {});
    for (const [name, value] of facts) list.append(element('dt', {}, name), element('dd', {}, String(value)));
    this.details.append(
      element('h3', {}, this.who(i).replace(/^n/, 'node ').replace(/^c(?=\d)/, 'client '),
              proven >= 0 ? element('span', {class: 'badge'}, String(proven + 1)) : ''),
      element('p', {class: 'text'}, story.text(i)), list);
    const entries = story.entriesOf.get(i);
    if (entries && entries.length) {
      const shown = entries.slice(0, 12).map((entry) => element('li', {},
        element('span', {class: 'when'}, `${story.entryIndex(entry)}@${story.entryTerm(entry)}`), ' ', story.entryText(entry)));
      if (entries.length > 12) shown.push(element('li', {}, `and ${entries.length - 12} more`));
      this.details.append(element('h4', {}, 'Entries'), element('ul', {class: 'plain'}, ...shown));
    }
    const related = story.relatedTo(i);
    if (related.length) {
      this.details.append(element('h4', {}, 'Belongs to it'),
        element('ul', {class: 'plain'}, ...related.slice(0, 40).map((j) => this.eventLine(j))));
    }
  }

  // ---- The logs

  showSteps(i) {
    const {story} = this;
    this.steps.replaceChildren();
    if (i < 0) return;
    const nodes = [];
    for (let node = 1; node <= story.nodes; ++node) nodes.push(story.nodeAt(node, i));
    const ends = nodes.map((node) => node.memory.base + node.memory.entries.length);
    const last = Math.max(1, ...ends);
    const cells = Math.max(6, Math.min(40, Math.floor((this.steps.clientWidth - 8) / CELL_WIDTH)));
    const newest = Math.max(1, last - cells + 1);
    // The index that the chosen event is about is kept in sight.
    let first = this.firstCell === null ? newest : this.firstCell;
    const about = story.index(i) || (story.proof.includes(i) ? story.packed.about : 0);
    if (this.firstCell === null && about && about < first) first = Math.max(1, about - Math.floor(cells / 2));
    first = Math.max(1, Math.min(first, newest));
    this.shownCells = {first, last: Math.min(last, first + cells - 1), lastIndex: last};
    const columns = first + cells - 1;  // the table keeps its width, however short the logs are
    const page = (to) => () => { this.firstCell = to; this.showSteps(i); };
    this.steps.append(element('div', {class: 'pager'},
      element('button', {title: 'earlier entries', 'aria-label': 'earlier entries', onclick: page(Math.max(1, first - cells))}, '◀'),
      element('span', {}, `index ${first} to ${this.shownCells.last} of ${last}`),
      element('button', {title: 'later entries', 'aria-label': 'later entries', onclick: page(Math.min(newest, first + cells))}, '▶'),
      element('button', {onclick: () => { this.firstCell = null; this.showSteps(i); }}, 'follow')));
    const head = element('tr', {}, element('th', {class: 'name'}, ''));
    for (let index = first; index <= columns; ++index) {
      head.append(element('th', {class: index === about ? 'about' : null}, index <= last ? String(index) : ''));
    }
    const table = element('table', {class: 'logs'}, head);
    for (const node of nodes) table.append(...this.nodeRows(node, first, columns, about));
    this.steps.append(element('div', {class: 'scroll'}, table), this.legend(), ...this.underWay(i));
  }

  nodeRows(node, first, last, about) {
    const s = node.state;
    const words = !s ? 'never ran' : node.down ? '✕ down' : (node.paused ? '‖ paused, ' : '') + `${ROLE_SIGN[s.role]} ${s.role}`;
    const facts = !s ? '' : node.down ? 'what its disk holds' :
      `term ${s.term}, vote ${s.vote ? 'n' + s.vote : '–'}, leader ${s.leader ? 'n' + s.leader : '–'}; ` +
      `▪ ${s.durable}  ✓ ${s.commit}  ✔ ${s.applied}`;
    const title = element('tr', {class: 'facts'}, element('td', {colspan: last - first + 2},
      element('b', {}, 'n' + node.node), ' ', element('span', {class: 'role ' + (s && !node.down ? s.role : 'gone')}, words), ' ', facts));
    const row = element('tr', {class: node.down ? 'down' : null, 'data-node': node.node},
                        element('th', {class: 'name'}));
    const log = node.down ? node.disk : node.memory;
    for (let index = first; index <= last; ++index) row.append(this.cell(node, log, index, about));
    return [title, row];
  }

  cell(node, log, index, about) {
    const {story} = this;
    const marks = index === about ? ' about' : '';
    if (index <= log.base) {
      return element('td', {class: 'compacted' + marks, title: `index ${index} is compacted away: the checkpoint has it`}, '…');
    }
    const entry = log.entries[index - log.base - 1];
    if (entry === undefined) return element('td', {class: 'empty' + marks});
    const s = node.state;
    const committed = !node.down && s && s.commit >= index;
    const applied = !node.down && s && s.applied >= index;
    const onDisk = node.disk.entries[index - node.disk.base - 1] === entry || index <= node.disk.base;
    const term = story.entryTerm(entry);
    const words = [`index ${index}, term ${term}: ${story.entryText(entry)}`,
                   onDisk ? 'on disk' : 'not on disk yet', committed ? 'committed here' : 'not committed here',
                   applied ? 'applied' : 'not applied'];
    return element('td', {
      class: `entry term${term % 6}${committed ? ' committed' : ''}${applied ? ' applied' : ''}${onDisk ? '' : ' volatile'}${marks}`,
      title: words.join('\n'), tabindex: 0, 'data-entry': entry, onclick: () => this.showEntry(entry)},
      String(term), element('span', {class: 'marks'}, (applied ? '✔' : committed ? '✓' : '') + (onDisk ? '▪' : '▫')));
  }

  legend() {
    return element('p', {class: 'legend'},
      'Cells are entries with their terms: ✓ committed, ✔ applied, ▪ on disk, ▫ in memory only, … compacted. Click one for its story.');
  }

  // Where an entry came from and went to.
  showEntry(entry) {
    const {story} = this;
    const events = [];
    for (const [i, entries] of story.entriesOf) {
      if (story.kind[i] === story.KIND.append && entries.includes(entry)) events.push(i);
    }
    const index = story.entryIndex(entry);
    this.details.replaceChildren(
      element('h3', {}, `entry ${index}@${story.entryTerm(entry)}`),
      element('p', {class: 'text'}, story.entryText(entry)),
      element('h4', {}, 'Appended'), element('ul', {class: 'plain'}, ...events.slice(0, 40).map((i) => this.eventLine(i))));
    const commits = [];
    for (let node = 1; node <= story.nodes; ++node) {
      const of = story.byNode[node];
      const at = of.stateEvent.find((i) => story.state(i).commit >= index);
      if (at !== undefined) commits.push(at);
    }
    commits.sort((a, b) => a - b);
    if (commits.length) {
      this.details.append(element('h4', {}, `First known to be committed up to index ${index}`),
                          element('ul', {class: 'plain'}, ...commits.map((i) => this.eventLine(i))));
    }
  }

  // What has begun and not ended at this moment.
  underWay(i) {
    const {story} = this;
    const begun = story.operationList.filter((o) => o.invoke <= i && (o.return < 0 || o.return > i));
    const flying = story.arrows.filter((a) => a.sendEvent <= i && a.endEvent > i && a.what !== 'client' && !a.lost);
    const list = (title, events) => events.length ? [element('h4', {}, title),
      element('ul', {class: 'plain'}, ...events.slice(0, 12).map((j) => this.eventLine(j)),
              ...(events.length > 12 ? [element('li', {}, `and ${events.length - 12} more`)] : []))] : [];
    return [...list(`Operations under way (${begun.length})`, begun.map((o) => o.invoke)),
            ...list(`Messages under way (${flying.length})`, flying.map((a) => a.sendEvent))];
  }
}
