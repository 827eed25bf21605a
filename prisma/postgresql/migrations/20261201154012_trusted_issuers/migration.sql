-- CreateTable
CREATE TABLE "TrustedIssuer" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT,
    "name" TEXT NOT NULL,
    "preset" TEXT NOT NULL,
    "profile" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "keys" JSONB NOT NULL,
    "audiences" JSONB NOT NULL,
    "algorithms" JSONB NOT NULL,
    "maxAge" INTEGER NOT NULL,
    "singleUse" BOOLEAN NOT NULL,
    "anchors" JSONB NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "TrustedIssuer_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WorkloadRule" (
    "id" TEXT NOT NULL,
    "issuerId" TEXT NOT NULL,
    "organizationId" TEXT,
    "name" TEXT NOT NULL,
    "claims" JSONB NOT NULL,
    "clientId" TEXT,
    "forOrganizationId" TEXT,
    "resourceId" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "WorkloadRule_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "TrustedIssuer_issuer_idx" ON "TrustedIssuer"("issuer");

-- CreateIndex
CREATE INDEX "TrustedIssuer_createdAt_id_idx" ON "TrustedIssuer"("createdAt", "id");

-- CreateIndex
CREATE INDEX "TrustedIssuer_organizationId_createdAt_id_idx" ON "TrustedIssuer"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "WorkloadRule_issuerId_createdAt_id_idx" ON "WorkloadRule"("issuerId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "WorkloadRule_createdAt_id_idx" ON "WorkloadRule"("createdAt", "id");

-- CreateIndex
CREATE INDEX "WorkloadRule_organizationId_createdAt_id_idx" ON "WorkloadRule"("organizationId", "createdAt", "id");

-- AddForeignKey
ALTER TABLE "TrustedIssuer" ADD CONSTRAINT "TrustedIssuer_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WorkloadRule" ADD CONSTRAINT "WorkloadRule_issuerId_fkey" FOREIGN KEY ("issuerId") REFERENCES "TrustedIssuer"("id") ON DELETE CASCADE ON UPDATE CASCADE;
