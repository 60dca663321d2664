'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const $ = (id) => document.getElementById(id);
  const VIEWS = {overlay: 'Overlay', fused: 'Fused', rgb: 'RGB', thermal: 'Thermal',
    errors: 'Errors', truth: 'Truth'};
  const LAYERS = ['overlay', 'errors', 'truth'];

  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const percent = (part) => part === undefined ? '' :
    part < 0.001 ? '<0.1 %' : (100 * part).toFixed(part < 0.1 ? 1 : 0) + ' %';
  const fixed = (value, digits) => value === null || value === undefined ? '–' : value.toFixed(digits);
  const when = (x) => {
    if (data.axis.kind === 'output') return 'output ' + Math.round(x * data.axis.span);
    const seconds = x * data.axis.span;
    if (seconds < 120) return seconds.toFixed(2) + ' s';
    const whole = Math.floor(seconds);
    const pad = (n) => String(n).padStart(2, '0');
    const hours = Math.floor(whole / 3600);
    return (hours ? hours + ':' + pad(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)) +
      ':' + pad(whole % 60);
  };

  // Frames in view: the filter, then the order.
  const frames = data.frames;
  const judged = frames.some((frame) => frame.miou !== null);
  const score = (frame) => frame.miou !== null ? frame.miou : 2 + frame.confidence;
  const FILTERS = {
    all: ['All pictures', () => true],
    worst: [judged ? 'Worst mIoU' : 'Least confident', (frame) => frame.why.includes('worst')],
    change: ['Mode changes', (frame) => frame.why.includes('change')],
    single: ['Not fused', (frame) => frame.mode !== 'FUSED'],
  };
  const views = Object.keys(VIEWS).filter((view) => frames.some((frame) => view in frame.images));
  const state = {order: judged ? 'worst' : 'time', filter: 'all', list: [], at: 0, view: views[0]};

  function arrange(keep) {
    state.list = frames.filter(FILTERS[state.filter][1]);
    if (state.order === 'worst') state.list.sort((a, b) => score(a) - score(b) || a.x - b.x);
    state.at = Math.max(0, state.list.indexOf(keep));
    $('slider').max = Math.max(0, state.list.length - 1);
    $('by-worst').setAttribute('aria-pressed', state.order === 'worst');
    $('by-time').setAttribute('aria-pressed', state.order === 'time');
    show();
  }

  function step(by) {
    state.at = Math.min(Math.max(state.at + by, 0), state.list.length - 1);
    show();
  }

  function paint(view, name, frame) {
    view.className = 'view ' + name;
    view.textContent = '';
    const base = LAYERS.includes(name) ? frame.images.rgb || frame.images.thermal : frame.images[name];
    const layer = LAYERS.includes(name) ? frame.images[name] : undefined;
    if (!base || (LAYERS.includes(name) && !layer)) {
      view.textContent = LAYERS.includes(name) ? 'no truth here' :
        frame.seen.includes(name) ? VIEWS[name] + ' frame not used' : 'no ' + VIEWS[name] + ' frame';
      return;
    }
    for (const source of [base, layer]) {
      if (!source) continue;
      const image = make('img');
      image.alt = '';
      image.addEventListener('load', () => {
        view.style.aspectRatio = image.naturalWidth + ' / ' + image.naturalHeight;
      }, {once: true});
      image.src = source;
      view.append(image);
    }
  }

  function show() {
    const frame = state.list[state.at];
    if (!frame) return;
    const stage = $('stage').firstElementChild;
    paint(stage, state.view, frame);
    stage.setAttribute('role', 'img');
    stage.setAttribute('aria-label', VIEWS[state.view] + ' of output ' + frame.index);
    for (const button of $('rail').children) {
      paint(button.firstElementChild, button.dataset.view, frame);
      button.setAttribute('aria-pressed', button.dataset.view === state.view);
    }
    $('slider').value = state.at;
    $('count').textContent = (state.at + 1) + ' / ' + state.list.length;
    $('stage').lastElementChild.textContent = VIEWS[state.view] + ' · ' + when(frame.x) +
      (frame.reason ? ' · ' + frame.reason : '');
    tell(frame);
    legend('class-legend', frame.classes);
    legend('error-legend', frame.errors);
    for (const line of document.querySelectorAll('.cursor.chosen')) {
      line.style.display = 'block';
      line.style.left = 100 * frame.x + '%';
    }
    for (const chart of document.querySelectorAll('.chart')) rest(chart);
  }

  function tell(frame) {
    const list = $('facts');
    list.textContent = '';
    const fact = (name, value, className) => {
      list.append(make('dt', name));
      const item = list.appendChild(make('dd'));
      item.append(value instanceof Node ? value : make('span', value, className));
      return item;
    };
    const mode = fact('mode', frame.mode, 'chip ' + (/^[A-Z_]+$/.test(frame.mode) ? frame.mode : ''));
    if (frame.reason) mode.append(' ' + frame.reason);
    fact('output', '#' + frame.index + ' at ' + when(frame.x));
    if (judged) fact('mIoU', fixed(frame.miou, 3));
    fact('confidence', fixed(frame.confidence, 2) + ' mean');
    if (frame.skew !== null) fact('skew', fixed(frame.skew, 1) + ' ms');
    if (frame.latency !== null) fact('latency', fixed(frame.latency, 1) + ' ms');
    if (frame.entities.length) {
      fact('entities', frame.entities.map((e) => e[0] + ' ' + e[1].toFixed(2)).join(', '));
    }
    fact('stamp', frame.stamp, 'mono');
  }

  function legend(id, parts) {
    for (const item of $(id).children) {
      const part = parts[item.dataset.id];
      item.className = part ? '' : 'off';
      item.lastElementChild.textContent = part ? percent(part) : '';
    }
  }

  // Charts: a line follows the pointer, the text below says what is there, a click goes there.
  const nearest = (list, x, place) => list.reduce(
    (best, item) => Math.abs(place(item) - x) < Math.abs(place(best) - x) ? item : best, list[0]);

  function read(name, x) {
    if (name === 'modes') {
      const run = data.runs.find((r) => x >= r[0] && x < r[1]);
      if (!run) return when(x) + ' · no output';
      const [start, end, mode, reason, count, first, last] = run;
      return [when(start) + ' to ' + when(end), mode, reason,
        count + (count === 1 ? ' output' : ' outputs') +
        (first === last ? ' (#' + first + ')' : ' (#' + first + ' to #' + last + ')'),
      ].filter(Boolean).join(' · ');
    }
    const chart = data.charts[name];
    const point = nearest(chart.points, x, (p) => p[0]);
    const [at, middle, low, high, output] = point;
    const digits = chart.unit ? 1 : 3;
    const value = (middle.toFixed(digits) + ' ' + chart.unit).trim();
    if (low === high) return when(at) + ' · ' + value + ' · output #' + output;
    return when(at) + ' · median ' + value + ', ' + low.toFixed(digits) + ' to ' +
      high.toFixed(digits) + ' · ' + chart.worst + ' at output #' + output;
  }

  function rest(chart) {
    const frame = state.list[state.at];
    chart.querySelector('.cursor:not(.chosen)').style.display = 'none';
    chart.querySelector('.readout').textContent =
      frame ? read(chart.dataset.chart, frame.x + 1e-6) : '\u00a0';
  }

  for (const chart of document.querySelectorAll('.chart')) {
    const area = chart.querySelector('.area');
    const place = (event) => {
      const box = area.getBoundingClientRect();
      return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.99999);
    };
    const follow = (event) => {
      const x = place(event);
      const line = chart.querySelector('.cursor:not(.chosen)');
      line.style.display = 'block';
      line.style.left = 100 * x + '%';
      chart.querySelector('.readout').textContent = read(chart.dataset.chart, x);
    };
    area.addEventListener('pointermove', follow);
    area.addEventListener('pointerdown', follow);
    area.addEventListener('pointerleave', (event) => {
      if (event.pointerType === 'mouse') rest(chart);
    });
    area.addEventListener('click', (event) => {
      if (!frames.length) return;
      const frame = nearest(frames, place(event), (f) => f.x);
      if (!state.list.includes(frame)) $('filter').value = state.filter = 'all';
      arrange(frame);
      follow(event);
    });
  }

  if (!frames.length) return;
  for (const [name, [text, test]] of Object.entries(FILTERS)) {
    const count = frames.filter(test).length;
    if (!count) continue;
    const option = make('option', text + ' (' + count + ')');
    option.value = name;
    $('filter').append(option);
  }
  views.forEach((view, i) => {
    const button = make('button');
    button.dataset.view = view;
    const label = make('span', VIEWS[view]);
    label.append(make('kbd', i + 1));
    button.append(make('div', undefined, 'view'), label);
    button.addEventListener('click', () => { state.view = view; show(); });
    $('rail').append(button);
  });
  $('rail').classList.toggle('four', views.length === 4);
  $('last-view').textContent = views.length;
  $('error-legend').hidden = !views.includes('errors');
  for (const ticks of document.querySelectorAll('.pictures')) {
    for (const frame of frames) ticks.appendChild(make('i')).style.left = 100 * frame.x + '%';
  }

  $('slider').addEventListener('input', (event) => { state.at = Number(event.target.value); show(); });
  $('previous').addEventListener('click', () => step(-1));
  $('next').addEventListener('click', () => step(1));
  $('by-worst').addEventListener('click', () => { state.order = 'worst'; arrange(); });
  $('by-time').addEventListener('click', () => { state.order = 'time'; arrange(state.list[state.at]); });
  $('filter').addEventListener('change', (event) => { state.filter = event.target.value; arrange(); });
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === 'SELECT') return;
    const steps = {ArrowLeft: -1, ArrowRight: 1};
    if (event.key in steps) step(steps[event.key]);
    else if (views[event.key - 1]) { state.view = views[event.key - 1]; show(); }
    else return;
    event.preventDefault();
  });
  let touched = null;
  const stage = $('stage').firstElementChild;
  stage.addEventListener('touchstart', (event) => { touched = event.touches[0].clientX; }, {passive: true});
  stage.addEventListener('touchend', (event) => {
    const moved = event.changedTouches[0].clientX - touched;
    if (Math.abs(moved) > 40) step(moved < 0 ? 1 : -1);
  });
  for (const part of document.querySelectorAll('#browser, .tools')) part.hidden = false;
  $('nothing').hidden = true;
  arrange();
})();
