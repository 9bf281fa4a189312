// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg map: a picture of the registers under a policy. */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-reg.h"

static const char usage[] =
	"Usage: kvm-reg map [-o FILE.svg] POLICY\n"
	"\n"
	"Draw what a policy does with reads and writes of each register, as SVG.\n"
	"\n"
	"  -o, --output FILE.svg\n"
	"                write to FILE.svg; it is left alone if there is an error\n"
	"\n"
	"A row has 64 MSRs. Rows of which all MSRs are alike are drawn as one. A browser shows\n"
	"the rule that decides, and its line, for what is pointed at.\n"
	"\n"
	"Exit status: 0, 2 for trouble.\n";

#define ROW		64	/* MSRs */
#define MAX_OUTSIDE	24	/* rows for MSRs outside the windows */
#define NAMES_LENGTH	54	/* characters that fit beside the grids, with "and 9 more" */

/* Pixels */
#define MARGIN		20
#define CELL		5
#define GRID		(ROW * CELL)
#define HEIGHT		11
#define PITCH		14
#define X_READ		(MARGIN + 170)
#define X_WRITE		(X_READ + GRID + 12)
#define X_NAMES		(X_WRITE + GRID + 12)
#define WIDTH		1250
#define BIT_WIDTH	76
#define BIT_HEIGHT	18

#define BITS_IN_LINE	((WIDTH - MARGIN - X_READ) / (BIT_WIDTH + 4))

/* Where KVM has MSRs, see "Cost" in kvm/x86/reg-rules.rst.  Whole rows, in order. */
static const struct window {
	__u32 first;
	__u32 last;
	const char *name;
} windows[] = {
	{ 0x00000000, 0x00001fff, "architectural" },
	{ 0x40000000, 0x40001fff, "Hyper-V and Xen" },
	{ 0x4b564d00, 0x4b564dff, "KVM" },
	{ 0xc0000000, 0xc0001fff, "architectural, 64-bit" },
	{ 0xc0010000, 0xc0011fff, "AMD" },
};

static const struct control {
	__u16 space;
	__u32 index;
	const char *name;
} controls[] = {
	{ KVM_X86_REG_RULE_CR, 0, "CR0" },
	{ KVM_X86_REG_RULE_CR, 4, "CR4" },
	{ KVM_X86_REG_RULE_XCR, 0, "XCR0" },
};

/* A read, a write that changes all bits, and a write that changes none */
enum look { READ, ALL, NONE, NR_LOOKS };

struct verdict {
	struct kvmreg_decision by[NR_LOOKS];
};

struct map {
	const struct kvmreg_policy *policy;
	FILE *out;
	int y;
};

static struct verdict judge(const struct map *map, __u32 msr)
{
	struct kvmreg_access access = { .space = KVM_X86_REG_RULE_MSR, .index = msr };
	struct verdict verdict;

	access.access = KVM_X86_REG_RULE_READ;
	verdict.by[READ] = kvmreg_evaluate(map->policy, &access);
	access.access = KVM_X86_REG_RULE_WRITE;
	verdict.by[ALL] = kvmreg_evaluate(map->policy, &access);
	access.readable = true;
	verdict.by[NONE] = kvmreg_evaluate(map->policy, &access);
	return verdict;
}

static bool same(const struct verdict *a, const struct verdict *b)
{
	return a->by[READ].rule == b->by[READ].rule && a->by[ALL].rule == b->by[ALL].rule &&
	       a->by[NONE].rule == b->by[NONE].rule;
}

/* Text in XML.  A path may be in any encoding, or none. */
static void put(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else
			fputc(*text < ' ' || *text > '~' ? '?' : *text, out);
	}
}

__printf(5, 6)
static void draw_text(const struct map *map, const char *class, int x, int y,
		      const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(map->out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
	put(map->out, line);
	fputs("</text>\n", map->out);
}

/* Which rule decides, and where it was written */
static void put_reason(const struct map *map, const struct kvmreg_decision *decision)
{
	unsigned int line;
	char *rule;

	if (decision->rule == KVMREG_X2APIC) {
		fputs("x2APIC: always allowed", map->out);
		return;
	}
	if (decision->rule < 0) {
		fprintf(map->out, "by default %s", kvmreg_action_name(decision->action));
		return;
	}

	line = kvmreg_rule_line(map->policy, decision->rule);
	rule = kvmreg_format_rule(&rules_of(map->policy)[decision->rule]);
	if (line)
		fprintf(map->out, "line %u: ", line);
	put(map->out, rule ? rule : "");
	free(rule);
}

/* The caller closes it. */
static void open_rect(const struct map *map, const char *class, int x, int y, int width,
		      int height)
{
	fprintf(map->out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" ", class, x, y);
	fprintf(map->out, "width=\"%d\" height=\"%d\"", width, height);
}

/* What no rule decides on is pale. */
static void draw_box(const struct map *map, const struct kvmreg_decision *decision, int x, int y,
		     int width, int height, const char *when)
{
	char class[32];

	snprintf(class, sizeof(class), "%s%s", kvmreg_action_name(decision->action),
		 decision->rule < 0 ? " pale" : "");
	open_rect(map, class, x, y, width, height);
	fprintf(map->out, "><title>%s", when);
	put_reason(map, decision);
	fputs("</title></rect>\n", map->out);
}

/* In the middle of a box */
static void draw_word(const struct map *map, const struct kvmreg_decision *decision, int x, int y,
		      const char *word)
{
	draw_text(map, decision->rule < 0 ? "word" : "word on", x, y, "%s", word);
}

/* Reads or writes of MSRs that are alike; in halves if it matters what a write changes. */
static void draw_cells(const struct map *map, const struct verdict *verdict, enum look look,
		       int x, int width)
{
	const struct kvmreg_decision *all = &verdict->by[look], *none = &verdict->by[NONE];
	const int half = HEIGHT / 2 + 1;

	if (look == READ || all->rule == none->rule) {
		draw_box(map, all, x, map->y, width, HEIGHT, "");
		return;
	}
	draw_box(map, all, x, map->y, width, half, "changes all bits: ");
	draw_box(map, none, x, map->y + half, width, HEIGHT - half, "changes no bit: ");
}

/* Most names start with MSR_. */
static void format_msr(__u32 msr, char *text, size_t size)
{
	const char *name = kvmreg_name(msr);

	if (name)
		snprintf(text, size, "%s", strncmp(name, "MSR_", 4) ? name : name + 4);
	else
		snprintf(text, size, "0x%x", msr);
}

static void format_msrs(__u32 first, __u32 last, char *text, size_t size)
{
	char a[64], b[64];

	format_msr(first, a, sizeof(a));
	format_msr(last, b, sizeof(b));
	if (first == last)
		snprintf(text, size, "%s", a);
	else
		snprintf(text, size, "%s - %s", a, b);
}

/* The MSRs in a row that are not as most in the window, as far as there is room */
static void draw_names(const struct map *map, const struct verdict *row, __u32 first,
		       const struct verdict *usual)
{
	char names[NAMES_LENGTH + 1] = "", name[160], *next = names;
	unsigned int i, end, left_out = 0;

	for (i = 0; i < ROW; i = end) {
		for (end = i + 1; end < ROW && same(&row[i], &row[end]);)
			end++;
		if (same(&row[i], usual))
			continue;

		format_msrs(first + i, first + end - 1, name, sizeof(name));
		if (left_out || next - names + strlen(", ") + strlen(name) > NAMES_LENGTH)
			left_out++;
		else
			next = stpcpy(stpcpy(next, *names ? ", " : ""), name);
	}
	if (left_out)
		draw_text(map, "name", X_NAMES, map->y + 9, "%s and %u more", names, left_out);
	else if (*names)
		draw_text(map, "name", X_NAMES, map->y + 9, "%s", names);
}

static void draw_row(struct map *map, __u32 first, const struct verdict *usual)
{
	static const int x[] = { [READ] = X_READ, [ALL] = X_WRITE };
	struct verdict row[ROW];
	unsigned int i, end;
	enum look look;

	for (i = 0; i < ROW; i++)
		row[i] = judge(map, first + i);

	draw_text(map, "msr", MARGIN, map->y + 9, "0x%08x", first);
	for (look = READ; look <= ALL; look++) {
		for (i = 0; i < ROW; i = end) {
			for (end = i + 1; end < ROW && same(&row[i], &row[end]);)
				end++;
			draw_cells(map, &row[i], look, x[look] + i * CELL, (end - i) * CELL);
		}
		fprintf(map->out, "<use href=\"#grid\" x=\"%d\" y=\"%d\"/>\n", x[look], map->y);
	}
	draw_names(map, row, first, usual);
	map->y += PITCH;
}

/* MSRs that are all alike */
static void draw_band(struct map *map, __u32 first, __u32 last,
		      const struct verdict *verdict, const char *label)
{
	const struct kvmreg_decision *read = &verdict->by[READ], *write = &verdict->by[ALL];

	if (label)
		draw_text(map, "label", MARGIN, map->y + 9, "%s", label);
	else
		draw_text(map, "msr", MARGIN, map->y + 9, "0x%08x - 0x%08x", first, last);
	draw_cells(map, verdict, READ, X_READ, GRID);
	draw_cells(map, verdict, ALL, X_WRITE, GRID);
	draw_word(map, read, X_READ + GRID / 2, map->y + 9, kvmreg_action_name(read->action));
	if (write->rule == verdict->by[NONE].rule)
		draw_word(map, write, X_WRITE + GRID / 2, map->y + 9,
			  kvmreg_action_name(write->action));
	if (read->rule == KVMREG_X2APIC)
		draw_text(map, "name", X_NAMES, map->y + 9, "x2APIC: always allowed");
	map->y += PITCH;
}

static void draw_window(struct map *map, const struct window *window)
{
	const struct verdict usual = judge(map, window->last);
	struct verdict verdict, next;
	__u32 msr, end;

	map->y += 10;
	draw_text(map, "head", MARGIN, map->y + 9, "%s", window->name);
	map->y += PITCH + 2;
	for (msr = window->first; msr <= window->last; msr = end) {
		verdict = judge(map, msr);
		for (end = msr + 1; end <= window->last; end++) {
			next = judge(map, end);
			if (!same(&verdict, &next))
				break;
		}
		end -= end % ROW;
		if (end > msr) {
			draw_band(map, msr, end - 1, &verdict, NULL);
		} else {
			draw_row(map, msr, &usual);
			end = msr + ROW;
		}
	}
}

/* The last MSR from @msr on, up to @last, before a rule begins or ends */
static __u32 segment_end(const struct map *map, __u32 msr, __u32 last)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(map->policy);
	const struct kvm_x86_reg_rule *rule;
	unsigned int i;

	for (i = 0; i < list->nr_rules; i++) {
		rule = &rules_of(map->policy)[i];
		if (rule->space != KVM_X86_REG_RULE_MSR)
			continue;
		if (rule->first > msr && rule->first <= last)
			last = rule->first - 1;
		if (rule->last >= msr && rule->last < last)
			last = rule->last;
	}
	return last;
}

struct band {
	__u32 first;
	__u32 last;
	struct verdict verdict;
};

/* Bands between the windows, as many as there is room for.  Return how many there are. */
static unsigned int find_bands(const struct map *map, struct band *bands)
{
	unsigned int i, nr = 0;
	__u64 msr, limit;
	struct band band;

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		limit = i + 1 < ARRAY_SIZE(windows) ? windows[i + 1].first : 1ULL << 32;
		for (msr = windows[i].last + 1; msr < limit; msr = band.last + 1ULL) {
			band = (struct band) { msr, segment_end(map, msr, limit - 1),
					       judge(map, msr) };
			if (nr && nr <= MAX_OUTSIDE && msr == bands[nr - 1].last + 1ULL &&
			    same(&bands[nr - 1].verdict, &band.verdict))
				bands[nr - 1].last = band.last;
			else if (nr++ < MAX_OUTSIDE)
				bands[nr - 1] = band;
		}
	}
	return nr;
}

static void draw_outside(struct map *map)
{
	struct band bands[MAX_OUTSIDE];
	const unsigned int nr = find_bands(map, bands);
	bool alike = nr <= MAX_OUTSIDE;
	unsigned int i;

	for (i = 1; i < nr && alike; i++)
		alike = same(&bands[0].verdict, &bands[i].verdict);

	map->y += 10;
	if (alike) {
		draw_band(map, 0, 0, &bands[0].verdict, "all other MSRs");
		return;
	}
	draw_text(map, "head", MARGIN, map->y + 9, "outside the windows");
	map->y += PITCH + 2;
	for (i = 0; i < nr && i < MAX_OUTSIDE; i++)
		draw_band(map, bands[i].first, bands[i].last, &bands[i].verdict, NULL);
	if (nr > MAX_OUTSIDE) {
		draw_text(map, "label", MARGIN, map->y + 9, "and %u more", nr - MAX_OUTSIDE);
		map->y += PITCH;
	}
}

static struct kvmreg_decision judge_bit(const struct map *map, const struct control *control,
					unsigned int bit)
{
	const struct kvmreg_access access = {
		.space = control->space,
		.access = KVM_X86_REG_RULE_WRITE,
		.index = control->index,
		.readable = true,
		.new_value = 1ULL << bit,
	};

	return kvmreg_evaluate(map->policy, &access);
}

/* The name that the language has for a bit; false if it has none */
static bool name_bit(const struct control *control, unsigned int bit, char *name, size_t size)
{
	const struct kvm_x86_reg_rule rule = {
		.space = control->space,
		.access = KVM_X86_REG_RULE_WRITE,
		.action = KVM_X86_REG_RULE_GP,
		.first = control->index,
		.last = control->index,
		.mask = 1ULL << bit,
	};
	char *text = kvmreg_format_rule(&rule), *space = text ? strrchr(text, ' ') : NULL;
	const bool named = space && strncmp(space, " 0x", 3);

	if (named)
		snprintf(name, size, "%s", space + 1);
	free(text);
	return named;
}

/* The bits that have a name, and those that a rule is for */
static void draw_control(struct map *map, const struct control *control)
{
	unsigned int bit, end, drawn = 0;
	struct kvmreg_decision decision;
	char name[64], other[64];
	int x;

	draw_text(map, "label", MARGIN, map->y + 13, "%s", control->name);
	for (bit = 0; bit < 64; bit = end) {
		decision = judge_bit(map, control, bit);
		end = bit + 1;
		if (!name_bit(control, bit, name, sizeof(name))) {
			while (end < 64 && !name_bit(control, end, other, sizeof(other)) &&
			       judge_bit(map, control, end).rule == decision.rule)
				end++;
			if (decision.rule < 0)
				continue;
			snprintf(name, sizeof(name), end - bit > 1 ? "bits %u-%u" : "bit %u", bit,
				 end - 1);
		} else if (decision.rule == KVMREG_NO_CHANGE) {
			continue;
		}

		if (drawn && drawn % BITS_IN_LINE == 0)
			map->y += BIT_HEIGHT + 4;
		x = X_READ + drawn++ % BITS_IN_LINE * (BIT_WIDTH + 4);
		draw_box(map, &decision, x, map->y, BIT_WIDTH, BIT_HEIGHT, "");
		draw_word(map, &decision, x + BIT_WIDTH / 2, map->y + 13, name);
	}
	map->y += BIT_HEIGHT + 8;
}

static void draw_controls(struct map *map)
{
	unsigned int i;

	map->y += 10;
	draw_text(map, "head", MARGIN, map->y + 9, "control registers: writes that change a bit");
	map->y += PITCH + 4;
	for (i = 0; i < ARRAY_SIZE(controls); i++)
		draw_control(map, &controls[i]);
}

static void draw_legend(struct map *map)
{
	unsigned int action;
	const char *name;
	int x = MARGIN;

	for (action = 0; action <= KVM_X86_REG_RULE_IGNORE_UNKNOWN; action++) {
		name = kvmreg_action_name(action);
		open_rect(map, name, x, map->y, 14, HEIGHT);
		fputs("/>\n", map->out);
		draw_text(map, "label", x + 19, map->y + 9, "%s", name);
		x += 40 + 7 * strlen(name);
	}
	draw_text(map, "name", x + 10, map->y + 9,
		  "pale: no rule matches; two halves: a write that changes all bits, one that changes none");
	map->y += PITCH;
}

static void draw_header(struct map *map, const char *path)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(map->policy);
	const char *slash = strrchr(path, '/');

	draw_text(map, "file", MARGIN, 34, "%s", slash ? slash + 1 : path);
	draw_text(map, "label", MARGIN, 54, "default %s, %u rule%s%s",
		  kvmreg_action_name(list->msr_default), list->nr_rules,
		  list->nr_rules == 1 ? "" : "s",
		  list->flags & KVM_X86_REG_RULES_FAIL_CLOSED ? ", fail-closed" : "");
	map->y = 68;
	draw_legend(map);
	map->y += 8;
	draw_text(map, "head", X_READ, map->y + 9, "reads");
	draw_text(map, "head", X_WRITE, map->y + 9, "writes");
	map->y -= 8;
}

/* On a background of its own, which follows the reader's choice of light or dark. */
static const char style[] =
	"<style>\n"
	".back{fill:#fff}text{fill:#24292f;font:11px sans-serif}.file{font-size:20px;font-weight:bold}\n"
	".head{font-weight:bold}.msr{font:10.5px monospace}.name{font-size:10px}\n"
	".word{font-size:9.5px;text-anchor:middle}.on{fill:#fff;font-weight:bold}\n"
	".pale{opacity:.28}.grid{fill:none;stroke:#fff;stroke-opacity:.55}\n"
	".allow{fill:#2e9e62}.deny{fill:#e0792b}.gp{fill:#cf3f4f}.exit{fill:#7d55c7}\n"
	".ignore{fill:#6b7a8f}.audit{fill:#d3a81c}.ignore-unknown{fill:#2b9fb3}\n"
	"@media(prefers-color-scheme:dark){.back{fill:#16191d}text{fill:#e3e6ea}.on{fill:#fff}\n"
	".pale{opacity:.42}.grid{stroke:#16191d}}\n"
	"</style>\n";

static void write_svg(const struct map *map, const char *path, const char *body, FILE *out)
{
	const int height = map->y + MARGIN - 6;

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\">\n<title>",
		WIDTH, height);
	put(out, path);
	fprintf(out, "</title>\n%s", style);
	/* Lines between the MSRs of a row */
	fprintf(out, "<defs><path id=\"grid\" class=\"grid\" d=\"");
	for (int x = CELL; x < GRID; x += CELL)
		fprintf(out, "M%d 0v%d", x, HEIGHT);
	fputs("\"/></defs>\n", out);
	fprintf(out, "<rect class=\"back\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", WIDTH, height);
	fprintf(out, "%s</svg>\n", body);
}

static char *draw(const struct kvmreg_policy *policy, const char *path)
{
	char *body = NULL, *svg = NULL;
	size_t size;
	struct map map = { .policy = policy, .out = open_memstream(&body, &size) };
	FILE *out = open_memstream(&svg, &size);
	unsigned int i;
	bool failed;

	if (!map.out || !out)
		return NULL;

	draw_header(&map, path);
	for (i = 0; i < ARRAY_SIZE(windows); i++)
		draw_window(&map, &windows[i]);
	draw_outside(&map);
	draw_controls(&map);
	failed = fclose(map.out);
	if (!failed)
		write_svg(&map, path, body, out);
	failed |= fclose(out);
	free(body);
	return failed ? NULL : svg;
}

int cmd_map(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct kvmreg_policy *policy;
	const char *path = NULL;
	int option, status;
	char *svg;

	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (option == 'o')
			path = optarg;
		else
			return print_usage(usage, option == 'h');
	}
	if (optind + 1 != argc)
		return print_usage(usage, false);

	policy = load(argv[optind]);
	if (!policy)
		return EXIT_TROUBLE;

	svg = draw(policy, shown_path(argv[optind]));
	if (svg) {
		status = write_file(path, svg);
	} else {
		fputs("kvm-reg map: out of memory\n", stderr);
		status = EXIT_TROUBLE;
	}
	free(svg);
	kvmreg_free(policy);
	return status;
}
