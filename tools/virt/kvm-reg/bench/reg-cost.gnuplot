# SPDX-License-Identifier: GPL-2.0
#
# What an RDMSR costs, over the number of rules (patched) or ranges (unpatched).
# scripts/bench sets data, a file of blocks "KERNEL-EFFECT", and takes the output.
set terminal svg size 960,440 font 'sans-serif,14' background '#ffffff'

set title 'RDMSR of 0xce: instructions of host and guest' font ',16'
set xlabel 'ranges (unpatched) or rules (patched)'
set key outside right center reverse Left samplen 3 spacing 1.4
set grid ytics linecolor '#dddddd' linetype 1
set border 3 linecolor '#777777'
set tics nomirror textcolor '#111111'
set yrange [0:*]

# A logarithmic axis, with a place for none.
x(n) = n > 0 ? log(n) / log(2) : -3
set xrange [-4:13]
set xtics ('0' x(0), '1' x(1), '4' x(4), '16' x(16), '256' x(256), '4096' x(4096))

# Colours that the colour-blind can tell apart, a dash and a hollow point for unpatched
set style line 1 linecolor '#0072b2' linewidth 2 pointtype 7 pointsize 0.8
set style line 2 linecolor '#009e73' linewidth 2 pointtype 5 pointsize 0.8
set style line 3 linecolor '#d55e00' linewidth 2 pointtype 9 pointsize 0.9
set style line 4 linecolor '#6a3d9a' linewidth 2 pointtype 13 pointsize 0.9
set style line 5 linecolor '#0072b2' linewidth 2 pointtype 6 pointsize 0.8 dashtype 2
set style line 7 linecolor '#d55e00' linewidth 2 pointtype 8 pointsize 0.9 dashtype 2
set style line 8 linecolor '#6a3d9a' linewidth 2 pointtype 12 pointsize 0.9 dashtype 2

plot data index 'unpatched-exit' using (x($1)):2 with linespoints linestyle 8 \
		title 'unpatched: exit and back', \
	data index 'patched-exit' using (x($1)):2 with linespoints linestyle 4 \
		title 'patched: exit and back', \
	data index 'unpatched-allow' using (x($1)):2 with linespoints linestyle 5 \
		title 'unpatched: allowed', \
	data index 'unpatched-gp' using (x($1)):2 with linespoints linestyle 7 \
		title 'unpatched: #GP', \
	data index 'patched-ignore' using (x($1)):2 with linespoints linestyle 2 \
		title 'patched: ignored', \
	data index 'patched-gp' using (x($1)):2 with linespoints linestyle 3 \
		title 'patched: #GP', \
	data index 'patched-allow' using (x($1)):2 with linespoints linestyle 1 \
		title 'patched: allowed'
