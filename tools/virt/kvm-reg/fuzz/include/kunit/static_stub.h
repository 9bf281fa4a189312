/* SPDX-License-Identifier: GPL-2.0 */
/* As without CONFIG_KUNIT */
#define KUNIT_STATIC_STUB_REDIRECT(function, args...)	do { } while (0)
