/*
 * What a fault in L0 means for the VMs.
 */
#include "cpu/fault.h"

void fault_print_context(void)
{
}

void fault_contain(void)
{
}
