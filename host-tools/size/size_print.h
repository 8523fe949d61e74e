/* size_print: a sizing plan, or the prediction of another runtime, as text or JSON on `to`. */
#ifndef SIZE_SIZE_PRINT_H
#define SIZE_SIZE_PRINT_H

#include "vm/sizing_plan.h"
#include "vm/sizing_rules.h"

#include <stdio.h>

void size_print_plan(const struct sizing_plan *plan, FILE *to);
/* 0 or -ENOMEM. Bytes everywhere, CPUs as numbers; "sum" lists the lines in order. */
int size_print_plan_json(const struct sizing_plan *plan, const char *arch, FILE *to);
void size_print_prediction(const struct sizing_prediction *prediction, enum sizing_rules rules,
	const struct sizing_rules_config *config, FILE *to);
int size_print_prediction_json(
	const struct sizing_prediction *prediction, enum sizing_rules rules, FILE *to);

#endif
