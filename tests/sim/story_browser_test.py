#!/usr/bin/python3
"""Opens pages of `lockstep-sim run --html` in headless Chromium and does what people do with them.

usage: story_browser_test.py STORY_PAGES

STORY_PAGES is the program that writes the pages. Speaks TAP. Needs Debian's chromium, chromium-driver
and python3-selenium (scripts/setup --test); without them it fails, since nobody would notice a test
that is never run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError as error:
    sys.exit(f'{error}: run scripts/setup --test')


class Page:
    """A page in the browser, with what it says of itself (window.lockstep)."""

    def __init__(self, driver, path, place=''):
        self.driver = driver
        begin = time.monotonic()
        driver.get('about:blank')  # another place of the same page would not load it again
        driver.get(f'file://{path}{place}')
        self.wait('window.lockstep && window.lockstep.ready')
        self.load_seconds = time.monotonic() - begin

    def js(self, expression):
        return self.driver.execute_script(f'return {expression}')

    def wait(self, expression):
        for _ in range(600):
            if self.js(expression):
                return
            time.sleep(0.1)
        raise AssertionError(f'not in a minute: {expression}')

    def element(self, identity):
        return self.driver.find_element(By.ID, identity)

    def press(self, *keys):
        self.driver.find_element(By.TAG_NAME, 'body').send_keys(*keys)

    def click_at(self, x, y):
        """Clicks into the timeline; (x, y) from its upper left corner."""
        canvas = self.element('canvas')
        self.driver.execute_script('document.getElementById("scroller").scrollTop = 0')
        size = canvas.size
        ActionChains(self.driver).move_to_element_with_offset(
            canvas, round(x - size['width'] / 2), round(y - size['height'] / 2)).click().perform()

    def complaints(self):
        return [entry['message'] for entry in self.driver.get_log('browser')
                if entry['level'] in ('SEVERE', 'WARNING')]

    def colours(self, identity):
        """How many different colours a canvas shows."""
        return self.js('''(() => {
            const canvas = document.getElementById("%s");
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let i = 0; i < data.length; i += 4 * 7) {
              if (data[i + 3]) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
            }
            return seen.size;
        })()''' % identity)


def check_healthy(page):
    assert page.js('document.title').endswith('clean'), page.js('document.title')
    assert '✓ clean' in page.element('verdict').text
    assert not page.element('broken').is_displayed()
    assert page.colours('canvas') > 20 and page.colours('overview') > 3
    assert page.js('lockstep.cursor') == page.js('lockstep.events') - 1


def check_nothing_else_is_loaded(page):
    loaded = page.js('performance.getEntriesByType("resource").map((entry) => entry.name)')
    assert [name for name in loaded if not name.startswith('data:')] == [], loaded


def check_zoom(page):
    before = page.js('lockstep.view')
    page.element('zoom-in').click()
    nearer = page.js('lockstep.view')
    assert nearer[1] - nearer[0] < 0.6 * (before[1] - before[0]), (before, nearer)
    page.press('-')
    page.press('f')
    whole = page.js('lockstep.view')
    assert abs(whole[1] - whole[0] - (before[1] - before[0])) < 1e-3, (before, whole)
    page.driver.execute_script('''
        const canvas = document.getElementById("canvas"), box = canvas.getBoundingClientRect();
        canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: -300, bubbles: true, cancelable: true,
          clientX: box.left + 500, clientY: box.top + 100}))''')
    wheeled = page.js('lockstep.view')
    assert wheeled[1] - wheeled[0] < whole[1] - whole[0], (whole, wheeled)
    assert 'to' in page.element('span').text


def check_pan(page):
    page.js('lockstep.setView(1, 2)')
    canvas = page.element('canvas')
    ActionChains(page.driver).move_to_element_with_offset(canvas, 100, 0).click_and_hold() \
        .move_by_offset(-120, 0).release().perform()
    moved = page.js('lockstep.view')
    assert moved[0] > 1.05 and abs(moved[1] - moved[0] - 1) < 1e-6, moved


def check_steps(page):
    page.press(Keys.HOME)
    assert page.js('lockstep.cursor') == 0
    page.press(Keys.ARROW_RIGHT)
    page.press(Keys.ARROW_RIGHT)
    assert page.js('lockstep.cursor') == 2
    page.press(Keys.ARROW_LEFT)
    assert page.js('lockstep.cursor') == 1
    page.press(Keys.END)
    last = page.js('lockstep.events') - 1
    assert page.js('lockstep.cursor') == last
    page.press(Keys.SHIFT, Keys.ARROW_LEFT)
    assert page.js('lockstep.cursor') < last or page.js('lockstep.lane(lockstep.cursor)') == 'end'


def check_logs(page):
    """The step view shows the logs of the moment, as the page itself replays them."""
    page.js('lockstep.choose(0)')
    empty = page.element('steps').text
    assert page.js('lockstep.log(1)') == {'base': 0, 'terms': [], 'texts': []}
    page.js('lockstep.choose(lockstep.events - 1)')
    assert page.element('steps').text != empty
    nodes = page.js('lockstep.story.nodes')
    logs = [page.js(f'lockstep.log({node})') for node in range(1, nodes + 1)]
    ends = {log['base'] + len(log['terms']) for log in logs}
    assert len(ends) == 1 and ends.pop() > 10, 'all logs end at the same index once all is well'
    cells = page.driver.find_elements(By.CSS_SELECTOR, 'tr[data-node="1"] td.entry')
    shown = page.js('lockstep.cells')
    assert len(cells) == min(shown['last'] - shown['first'] + 1, len(logs[0]['terms'])), (len(cells), shown)
    offset = logs[0]['base'] + len(logs[0]['terms']) - shown['last']
    assert cells[-1].text.startswith(str(logs[0]['terms'][-1 - offset])), cells[-1].text
    cells[-1].click()
    assert 'Appended' in page.element('details').text
    assert logs[0]['texts'][-1 - offset] in page.element('details').text


def check_choice(page):
    """A click on an event chooses it; its message's other end is named and can be gone to."""
    event = page.js('''(() => { const s = lockstep.story;
        return s.arrows.find((a) => a.what !== "client" && !a.lost && a.sent > 1e6).sendEvent; })()''')
    page.js(f'lockstep.setView(lockstep.story.time[{event}] / 1e6 - 0.002, lockstep.story.time[{event}] / 1e6 + 0.002)')
    page.js('lockstep.draw()')
    x, y = page.js(f'lockstep.place({event})')
    page.click_at(x, y)
    assert page.js(f'Math.abs(lockstep.time - lockstep.story.time[{event}] / 1e6)') < 0.0005
    page.js(f'lockstep.choose({event})')
    related = page.driver.find_elements(By.CSS_SELECTOR, '#details [data-event]')
    assert related, 'a message has another end'
    other = int(related[-1].get_attribute('data-event'))
    related[-1].click()
    assert page.js('lockstep.cursor') == other
    assert page.js(f'lockstep.story.relatedTo({other})').count(event) == 1


def check_filters(page):
    page.js('lockstep.setView(1, 1.5)')
    page.js('lockstep.draw()')
    arrows = page.js('lockstep.drawn.arrows')
    lanes = page.js('lockstep.drawn.lanes')
    page.driver.find_element(By.CSS_SELECTOR, 'details.drop summary').click()
    for name in ('messages:Heartbeat', 'messages:AppendEntries', 'lanes:n2'):
        page.driver.find_element(By.CSS_SELECTOR, f'[data-filter="{name}"]').click()
    page.js('lockstep.draw()')
    assert page.js('lockstep.hidden') == ['AppendEntries', 'Heartbeat', 'n2'], page.js('lockstep.hidden')
    assert page.js('lockstep.drawn.arrows') < arrows
    assert page.js('lockstep.drawn.lanes') == lanes - 1
    assert '3 hidden' in page.element('filter-count').text
    # Steps pass over what is hidden.
    page.press(Keys.HOME)
    for _ in range(40):
        page.press(Keys.ARROW_RIGHT)
        assert page.js('lockstep.lane(lockstep.cursor)') != 'n2'
    for button in page.driver.find_elements(By.CSS_SELECTOR, '#filters legend button'):
        if button.text == 'all':
            button.click()
            break
    assert page.js('lockstep.hidden') == ['n2']


def check_search(page):
    field = page.element('search')
    field.send_keys('became leader')
    page.wait('lockstep.matches > 0')
    assert f'{page.js("lockstep.matches")} found' in page.element('match-count').text
    page.element('next-match').click()
    assert 'LEADER' in page.js('lockstep.text(lockstep.cursor)')
    assert 'LEADER' in page.element('details').text


def check_themes(page):
    ground = 'getComputedStyle(document.body).backgroundColor'
    before = page.js(ground)
    page.element('theme').click()
    assert page.js(ground) != before
    page.js('lockstep.draw()')
    assert page.colours('canvas') > 20
    page.element('help').click()
    assert page.element('help-box').is_displayed()
    page.element('help-close').click()


def check_narrow(page):
    page.driver.set_window_size(420, 800)
    try:
        page.js('lockstep.draw()')
        assert page.js('document.documentElement.scrollWidth') <= page.js('window.innerWidth'), 'nothing sticks out'
        assert page.colours('canvas') > 20
    finally:
        page.driver.set_window_size(1280, 800)


def check_failing(page):
    assert 'election safety' in page.element('verdict').text
    assert page.js('document.title') != 'broken out' and '<b>led</b>' in page.element('why').text
    proof = page.js('lockstep.proof')
    assert len(proof) >= 3 and proof == sorted(proof), proof
    shown = page.driver.find_elements(By.CSS_SELECTOR, '#proof [data-event]')
    assert [int(each.get_attribute('data-event')) for each in shown] == proof
    assert page.js('lockstep.cursor') == proof[-1], 'it opens where the property broke'
    # The rings are there: their colour appears where the event is.
    x, y = page.js(f'lockstep.place({proof[-1]})')
    found = page.js('''((x, y) => {
        const hex = getComputedStyle(document.documentElement).getPropertyValue("--proof").trim();
        const want = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
        const ratio = window.devicePixelRatio || 1;
        const canvas = document.getElementById("canvas");
        const data = canvas.getContext("2d").getImageData((x - 12) * ratio, (y - 10) * ratio, 6 * ratio, 20 * ratio).data;
        let count = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (want.every((value, j) => Math.abs(data[i + j] - value) < 3)) ++count;
        }
        return count;
    })(%f, %f)''' % (x, y))
    assert found > 8, f'{found} pixels in the colour of the proof'
    page.element('next-proof').click()
    assert page.js('lockstep.cursor') == proof[0]
    page.press('p')
    assert page.js('lockstep.cursor') == proof[1]
    shown[-1].click()
    assert page.js('lockstep.cursor') == proof[-1]


def check_truncated_logs(page):
    """Wherever a node says what its last index is, its log as replayed ends there."""
    assert page.js('lockstep.story.notices.some((i) => lockstep.story.what(i) === "truncated-log")')
    wrong = page.js('''(() => {
        const s = lockstep.story, wrong = [];
        const near = s.notices.filter((i) => s.what(i) === "truncated-log").flatMap((i) => [...Array(60).keys()].map((j) => i + j));
        for (let i = 0; i < s.count; i += 501) near.push(i);
        for (const i of near) {
          const state = s.state(i);
          if (!state) continue;
          const log = lockstep.log(s.node[i], i);
          if (log.base + log.terms.length !== state.last) wrong.push([i, log.base, log.terms.length, state.last]);
        }
        return wrong;
    })()''')
    assert wrong == [], wrong[:3]


def check_place(driver, path):
    """The address brings one to the same moment."""
    page = Page(driver, path)
    page.js('lockstep.setView(1, 1.25)')
    page.js('lockstep.choose(lockstep.story.time.findIndex((t) => t > 1.1e6))')
    page.wait('location.hash.includes("e=" + lockstep.cursor)')
    place, cursor, time_ = page.js('location.hash'), page.js('lockstep.cursor'), page.js('lockstep.time')
    again = Page(driver, path, place)
    assert again.js('lockstep.cursor') == cursor
    view = again.js('lockstep.view')
    assert view[0] < time_ < view[1] and abs(view[1] - view[0] - 0.25) < 1e-3, view
    only_time = Page(driver, path, '#t=1.100000')
    assert abs(only_time.js('lockstep.time') - 1.1) < 0.1
    only_time.driver.execute_script('location.hash = "#t=2.000000"')
    only_time.wait('Math.abs(lockstep.time - 2) < 0.1')
    assert Page(driver, path, '#t=nonsense').js('lockstep.events') > 0


def check_large(page):
    events = page.js('lockstep.events')
    assert events >= 100_000, events
    page.js('lockstep.fit()')
    page.js('lockstep.draw()')
    assert page.js('lockstep.drawn.density')
    assert page.colours('canvas') > 20
    # Times depend on the machine: they are told, not judged.
    whole = min(page.js('lockstep.draw()') for _ in range(10))
    frames = []
    for _ in range(12):
        page.js('lockstep.zoom(0.6)')
        page.js('lockstep.pan(0.1)')
        frames.append(page.js('lockstep.draw()'))
    page.js('lockstep.setView(10, 10.2)')
    near = min(page.js('lockstep.draw()') for _ in range(10))
    assert not page.js('lockstep.drawn.density')
    begin = time.monotonic()
    page.js(f'lockstep.choose({events // 2})')
    step = time.monotonic() - begin
    begin = time.monotonic()
    page.js('lockstep.search("commit=100 ")')
    search = time.monotonic() - begin
    assert page.js('lockstep.matches') > 0
    print(f'# {events} events: loaded in {page.load_seconds:.1f} s; a frame of the whole run {whole:.0f} ms, '
          f'on the way in {max(frames):.0f} ms at most, of 0.2 s {near:.0f} ms; a step {step * 1000:.0f} ms; '
          f'the first search {search * 1000:.0f} ms')


def main():
    options = Options()
    # Root, as in CI's containers, has no sandbox; small containers have little shared memory.
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu',
                     '--window-size=1280,800'):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run([sys.argv[1], folder], check=True, capture_output=True, text=True)
        for line in told.stdout.splitlines():
            print('# ' + line.replace(folder + os.sep, ''))
        driver = webdriver.Chrome(service=Service('/usr/bin/chromedriver'), options=options)
        driver.set_window_size(1280, 800)
        healthy, failing, large = (os.path.join(folder, name + '.html') for name in ('healthy', 'failing', 'large'))
        checks = [(check, healthy) for check in (
            check_healthy, check_nothing_else_is_loaded, check_zoom, check_pan, check_steps, check_logs, check_choice,
            check_filters, check_search, check_themes, check_narrow)]
        checks += [(check_failing, failing), (check_large, large), (check_truncated_logs, large)]
        print(f'1..{len(checks) + 1}')
        try:
            for number, (check, path) in enumerate(checks, 1):
                run(number, check.__name__, failed, driver, lambda check=check, path=path: check(Page(driver, path)))
            run(len(checks) + 1, 'check_place', failed, driver, lambda: check_place(driver, healthy))
        finally:
            driver.quit()
    return 1 if failed else 0


def run(number, name, failed, driver, act):
    name = name.removeprefix('check_').replace('_', ' ')
    try:
        act()
        complaints = [entry['message'] for entry in driver.get_log('browser') if entry['level'] != 'INFO']
        assert not complaints, json.dumps(complaints)
        print(f'ok {number} {name}', flush=True)
    except Exception as error:  # whatever goes wrong in a check is that check's failure
        failed.append(name)
        print(f'not ok {number} {name}')
        for line in f'{type(error).__name__}: {error}'.splitlines()[:12]:
            print('# ' + line, flush=True)


if __name__ == '__main__':
    sys.exit(main())
