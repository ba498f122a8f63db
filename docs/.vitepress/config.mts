import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { slug } from 'github-slugger';
import { type DefaultTheme, defineConfig } from 'vitepress';

const docs = resolve(import.meta.dirname, '..');

/** All pages, in the order in which somebody reads them. */
const groups: Readonly<Record<string, readonly string[]>> = {
  'What it is for': pagesIn('uses'),
  Saving: [
    'checkpoint',
    'options',
    'command',
    'preflight',
    'doctor',
    'hooks',
    'tracing',
    'abort',
    'errors',
  ],
  'Bringing back': ['restore', 'inspect', 'self', 'pool', 'systemd'],
  'Containers of engines': ['engines', 'archives', 'runc'],
  Moving: ['iterate', 'migration'],
  Guides: pagesIn('guides'),
  'What to rely on': ['install', 'criu', 'limits', 'security', 'reliability', 'performance'],
  Inside: ['internals', 'coverage'],
};

function pagesIn(directory: string): string[] {
  const names = readdirSync(join(docs, directory));
  return names.map((name) => `${directory}/${name.replace(/\.md$/, '')}`);
}

function titleOf(page: string): string {
  const [, title] = /^# (.+)$/m.exec(readFileSync(join(docs, `${page}.md`), 'utf8')) ?? [];
  if (title === undefined) throw new Error(`docs/${page}.md has no heading`);
  return title.replaceAll('`', '');
}

function sidebar(): DefaultTheme.SidebarItem[] {
  const listed = Object.values(groups).flat();
  const pages = readdirSync(docs).filter((name) => name.endsWith('.md') && name !== 'index.md');
  const missing = pages.filter((name) => !listed.includes(name.replace(/\.md$/, '')));
  if (missing.length > 0) throw new Error(`No group of the site has ${missing.join(', ')}`);
  const items = Object.entries(groups).map(([text, names]) => ({
    text,
    collapsed: false,
    items: names.map((name) => ({ text: titleOf(name), link: `/${name}` })),
  }));
  return [
    ...items,
    { text: 'Reference', items: [{ text: 'All functions and types', link: '/api/' }] },
  ];
}

/** Where a link leads that is written for a reader of the repository: files outside of docs/ have no page. */
function isOutside(page: string, href: string): boolean {
  if (/^(?:[a-z]+:|#|\/)/.test(href)) return false;
  const [path = ''] = href.split('#');
  return relative(docs, resolve(dirname(join(docs, page)), path)).startsWith('..');
}

export default defineConfig({
  title: 'libcriu',
  description: 'Checkpoint and restore containers and processes from Node.js',
  // The site can be opened from any directory of a server.
  base: process.env['LIBCRIU_DOCS_BASE'] ?? '/',
  lastUpdated: false,
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guides', link: '/guides/docker' },
      { text: 'Options', link: '/options' },
      { text: 'Reference', link: '/api/' },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
  },
  markdown: {
    // Links in the pages are those that the repository's own readers follow.
    anchor: { slugify: (text: string) => slug(text) },
    config: (markdown) => {
      const render = markdown.renderer.rules['link_open'];
      markdown.renderer.rules['link_open'] = (tokens, index, options, env, self) => {
        const token = tokens[index];
        const href = token?.attrGet('href') ?? '';
        if (token !== undefined && isOutside(env.relativePath ?? '', href)) {
          token.attrs = [['title', href.replace(/^(?:\.\.\/)+/, '')]];
          return self.renderToken(tokens, index, options);
        }
        return render === undefined
          ? self.renderToken(tokens, index, options)
          : render(tokens, index, options, env, self);
      };
    },
  },
});
