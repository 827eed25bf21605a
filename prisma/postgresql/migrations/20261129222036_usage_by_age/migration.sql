-- CreateIndex
CREATE INDEX "KeyUsage_day_idx" ON "KeyUsage"("day");

-- CreateIndex
CREATE INDEX "Allowance_month_idx" ON "Allowance"("month");
