#!/usr/bin/env node
// Opens the page of the lab in a browser without a window: no error, no request, every chart drawn and visible.
//
//     check.mjs PAGE [SCREENSHOT]

import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import process from 'node:process';
import puppeteer from 'puppeteer-core';

const [page, screenshot] = process.argv.slice(2);
const problems = [];
const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
});
try {
    const tab = await browser.newPage();
    await tab.setViewport({ width: 1200, height: 900 });
    tab.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warn') {
            problems.push(`The console says: ${message.text()}`);
        }
    });
    tab.on('pageerror', (error) => problems.push(`A script has failed: ${error.message}`));
    const url = pathToFileURL(resolve(page)).href;
    tab.on('request', (request) => {
        if (request.url() !== url && !request.url().startsWith('data:')) {
            problems.push(`The page asks for ${request.url()}`);
        }
    });
    await tab.goto(url);
    const charts = await tab.$$eval('figure[data-chart]', (figures) =>
        figures.map((figure) => {
            const svg = figure.querySelector('svg');
            const box = svg?.getBoundingClientRect();
            // What is in the page, but not drawn, has no size.
            const isDrawn = (element) => {
                const { width, height } = element.getBoundingClientRect();
                return width + height > 0;
            };
            const all = (selector) => [...(svg?.querySelectorAll(selector) ?? [])];
            const texts = all('text').filter((text) => text.textContent.trim() !== '');
            return {
                kind: figure.dataset.chart,
                title: figure.querySelector('figcaption').textContent,
                shapes: all('line, path, polyline, polygon, rect').filter(isDrawn).length,
                texts: texts.length,
                missing: texts.filter((text) => !isDrawn(text)).length,
                visible: box !== undefined && box.width > 100 && box.height > 30,
            };
        }),
    );
    for (const chart of charts) {
        if (!chart.visible || chart.shapes < 2 || chart.texts < 1 || chart.missing > 0) {
            problems.push(`The chart "${chart.title}" is not drawn.`);
        }
    }
    for (const kind of ['histogram', 'sequence', 'bars', 'timeline']) {
        if (!charts.some((chart) => chart.kind === kind)) {
            problems.push(`There is no ${kind}.`);
        }
    }
    const sequences = charts.filter((chart) => chart.kind === 'sequence').map((chart) => chart.title);
    for (const level of ['QoS 0', 'QoS 1', 'QoS 2']) {
        if (!sequences.some((title) => title.startsWith(level))) {
            problems.push(`There is no sequence of ${level}.`);
        }
    }
    const empty = await tab.$$eval('main section', (sections) =>
        sections.filter((section) => section.children.length < 2).map((section) => section.id),
    );
    problems.push(...empty.map((name) => `The section ${name} is empty.`));
    const wide = await tab.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    if (wide) {
        problems.push('The page is wider than the window.');
    }
    if (screenshot) {
        await tab.screenshot({ path: screenshot, fullPage: true });
    }
    console.log(`${await browser.version()}: ${charts.length} charts.`);
} finally {
    await browser.close();
}
for (const problem of problems) {
    console.error(problem);
}
process.exitCode = problems.length === 0 ? 0 : 1;
